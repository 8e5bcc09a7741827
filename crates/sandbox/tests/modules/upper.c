/* A function: takes text and gives back how long it is, as JSON. */
#include <stdio.h>
#include <stdlib.h>

static char answer[64];

__attribute__((export_name("alloc"))) void *room(unsigned length) { return malloc(length + 1); }

__attribute__((export_name("run"))) unsigned long long run(char *text, unsigned length) {
    unsigned words = 0, in = 0;
    for (unsigned i = 0; i < length; i++) { if (text[i] != ' ' && !in) words++; in = text[i] != ' '; }
    int size = snprintf(answer, sizeof answer, "{\"words\": %u}", words);
    return ((unsigned long long)(unsigned long)answer << 32) | (unsigned)size;
}
