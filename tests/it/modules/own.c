/* A tool, a guard and a grader of a user's own, told apart by what they are given. Plain C, no JSON library: it looks for
   words, which is enough for a test. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char given[1 << 20];

static int has(const char *word) { return strstr(given, word) != NULL; }

/* The bytes before `word` in the guarded text, which stands first. */
static long before(const char *word) { return strstr(given, word) - strstr(given, "\"text\":\"") - 8; }

static int guard(void) {
    if (has("gibberish")) printf("I think so");
    else if (has("crashes")) abort();
    else if (has("loops")) for (;;);
    else if (has("half")) printf("{\"action\": \"redact\", \"span\": [%ld, %ld]}", before("é") + 1, before("é") + 2);
    else if (has("secretword"))
        printf("{\"action\": \"redact\", \"span\": [%ld, %ld]}", before("secretword"), before("secretword") + 10);
    else if (has("bomb")) printf("{\"action\": \"block\", \"reason\": \"No bombs\"}");
    else printf("null");
    return 0;
}

static int tool(void) {
    if (has("refuse")) { fprintf(stderr, "I count no such text\n"); return 3; }
    if (has("plain")) { printf("two words"); return 0; }
    if (has("key")) { printf("\"the key is %s\"", getenv("KEY")); return 0; }
    if (has("clock")) { printf("{\"time\": %lld}", (long long)time(0)); return 0; }
    if (has("note")) {
        char note[100] = "";
        FILE *file = fopen("/workspace/note.txt", "r");
        if (!file) { printf("{\"note\": null}"); return 0; }
        fread(note, 1, 99, file);
        FILE *written = fopen("/workspace/note.txt", "w");
        printf("{\"note\": \"%s\", \"write\": \"%s\"}", note, written ? "done" : strerror(errno));
        return 0;
    }
    int words = 0, in = 0;
    for (char *c = strstr(given, "\"text\":\"") + 8; *c && *c != '"'; c++) { if (*c != ' ' && !in) words++; in = *c != ' '; }
#ifdef DOUBLE
    words *= 2;
#endif
    printf("{\"words\": %d}\n", words);
    return 0;
}

int main(void) {
    fread(given, 1, sizeof given - 1, stdin);
    if (has("\"outcome\":")) {
        printf("{\"pass\": %s, \"score\": 0.6, \"reason\": \"it does not say three\"}", has("3") ? "true" : "false");
        return 0;
    }
    return has("\"stage\":") ? guard() : tool();
}
