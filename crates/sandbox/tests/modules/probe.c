/* What a program in C finds of the machine: each word of its command line is one try, and one line of the answer. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void said(const char *what, int failed) { printf("%s: %s\n", what, failed ? strerror(errno) : "done"); }

static FILE *file(const char *path, const char *mode) {
    FILE *f = fopen(path, mode);
    if (!f) { printf("%s: %s\n", path, strerror(errno)); exit(9); }
    return f;
}

static void opened(const char *path, int flags) {
    int fd = open(path, flags, 0644);
    printf("%s: %s\n", path, fd < 0 ? strerror(errno) : "OPENED");
    if (fd >= 0) close(fd);
}

int main(int count, char **words) {
    for (int i = 1; i < count; i++) {
        const char *word = words[i];
        if (!strcmp(word, "hello")) printf("hello, %s\n", words[0]);
        else if (!strcmp(word, "env")) for (char **e = environ; *e; e++) printf("%s\n", *e);
        else if (!strcmp(word, "cat")) { int c; while ((c = getchar()) != EOF) putchar(c); }
        else if (!strcmp(word, "complain")) fprintf(stderr, "complaint\n");
        else if (!strcmp(word, "exit")) exit(atoi(words[i + 1]));
        else if (!strcmp(word, "abort")) abort();
        else if (!strcmp(word, "loop")) for (;;);
        else if (!strcmp(word, "recurse")) return main(count, words) + 1;
        else if (!strcmp(word, "sleep")) { sleep(100000); printf("slept\n"); }
        else if (!strcmp(word, "wait")) { time_t end = time(0) + 2; while (time(0) < end); printf("waited\n"); }
        else if (!strcmp(word, "time")) printf("%lld\n", (long long)time(0));
        else if (!strcmp(word, "random")) { unsigned r; getentropy(&r, sizeof r); printf("%08x\n", r); }
        else if (!strcmp(word, "flood")) { char line[1000]; memset(line, 'x', 999); line[999] = 0; for (int n = 0; n < 5000; n++) puts(line); }
        else if (!strcmp(word, "bomb")) { long n = 0; char *volatile p; while ((p = malloc(1 << 20))) { *p = 1; n++; } printf("%s\n", n > 200 ? "GOT" : "no memory"); }
        else if (!strcmp(word, "write")) {
            FILE *f = file("/workspace/made", "w"); fputs("from inside", f); fclose(f);
            f = file("/workspace/made", "a"); fputs(", and more", f); fclose(f);
            f = file("made", "r"); char text[100] = {0}; fread(text, 1, 99, f); fclose(f); printf("%s\n", text);
            said("mkdir", mkdir("/workspace/folder", 0755)); said("rename", rename("/workspace/made", "/workspace/folder/moved"));
            struct stat found; said("stat", stat("/workspace/folder/moved", &found)); printf("%lld bytes\n", (long long)found.st_size);
            said("rmdir", rmdir("/workspace/folder"));
            f = file("/workspace/gone", "w"); fclose(f); said("unlink", unlink("/workspace/gone"));
        }
        else if (!strcmp(word, "list")) { DIR *d = opendir("/workspace"); struct dirent *e; int n = 0; while ((e = readdir(d))) n++; printf("%d entries\n", n); closedir(d); }
        else if (!strcmp(word, "big")) {
            FILE *f = fopen("/workspace/big", "w"); char block[4096]; memset(block, 'x', sizeof block); long n = 0;
            while (fwrite(block, 1, sizeof block, f) == sizeof block && n < 1000000) { n++; }
            printf("%ld kB: %s\n", n * 4, strerror(errno));
        }
        else if (!strcmp(word, "files")) {
            char path[64]; int n;
            for (n = 0; n < 10000; n++) { snprintf(path, sizeof path, "/workspace/f%d", n); if (open(path, O_CREAT | O_WRONLY, 0644) < 0) break; }
            printf("%d files: %s\n", n, strerror(errno));
        }
        else if (!strcmp(word, "attack")) {
            opened("/workspace/file", O_RDONLY); opened("/etc/passwd", O_RDONLY); opened("/workspace/../secret", O_RDONLY); opened("../secret", O_RDONLY);
            opened("/workspace/planted", O_RDONLY); opened("/workspace/planted-folder/secret", O_RDONLY);
            opened("/workspace/fifo", O_RDONLY); opened("/workspace/socket", O_RDWR); opened("/workspace/device", O_RDONLY);
            opened("/proc/self/environ", O_RDONLY); opened("/dev/null", O_RDONLY); opened("/script/../secret", O_RDONLY);
            printf("symlink: %s\n", symlink("../secret", "/workspace/made") ? "no" : "MADE");
            printf("link: %s\n", link("/workspace/file", "/workspace/hard") ? "no" : "MADE");
            printf("rename out: %s\n", rename("/workspace/file", "/workspace/../moved") ? "no" : "MADE");
            printf("rename to a link: %s\n", rename("/workspace/file", "/workspace/planted-folder/moved") ? "no" : "MADE");
            printf("remove out: %s\n", unlink("/workspace/../secret") ? "no" : "MADE");
            printf("make out: %s\n", mkdir("/workspace/planted-folder/new", 0755) ? "no" : "MADE");
        }
        else if (!strcmp(word, "script")) { FILE *f = fopen("/script/tool.txt", "r"); char text[100] = {0}; if (f) { fread(text, 1, 99, f); printf("%s\n", text); } else printf("%s\n", strerror(errno)); }
    }
    return 0;
}
