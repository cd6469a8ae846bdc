/* Takes the place of Python in a forger's image: speaks the worker's protocol and hands out what it brought.
 * For "run" of a stage it copies the files of /answers/<stage> to /out. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void copy(const char *from, const char *to) {
    char block[65536];
    ssize_t size;
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    while ((size = read(in, block, sizeof block)) > 0)
        if (write(out, block, (size_t)size) != size)
            exit(3);
    close(in);
    close(out);
}

static void answer(const char *stage) {
    char folder[300], from[600], to[600];
    struct dirent *entry;
    snprintf(folder, sizeof folder, "/answers/%s", stage);
    DIR *answers = opendir(folder);
    while (answers && (entry = readdir(answers))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(from, sizeof from, "%s/%s", folder, entry->d_name);
        snprintf(to, sizeof to, "/out/%s", entry->d_name);
        copy(from, to);
    }
}

int main(int count, char **arguments) {
    static char line[1 << 20];
    if (count > 2 && strcmp(arguments[2], "exseos.worker.warm") == 0)
        return 1;
    while (fgets(line, sizeof line, stdin)) {
        char stage[200] = "";
        const char *id = strstr(line, "\"id\": "), *named = strstr(line, "\"stage\": \"");
        if (named)
            sscanf(named, "\"stage\": \"%199[a-z]\"", stage);
        if (strstr(line, "\"op\": \"run\""))
            answer(stage);
        printf("{\"id\":%d,\"event\":\"done\",\"result\":{\"facts\":{}}}\n", id ? atoi(id + 6) : 0);
        fflush(stdout);
    }
    return 0;
}
