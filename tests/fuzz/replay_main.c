/*
 * Runs a fuzz target once over each file of the folders and files given: how the test suite replays the
 * corpus without libFuzzer. A folder that is missing or empty is an error: a check that checks nothing is no
 * check.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return -1;
    }
    struct stat info;
    uint8_t *data = NULL;
    size_t size = 0;
    if (fstat(fileno(file), &info) == 0) {
        /* An exact allocation lets the address sanitizer see a read one byte past the end. */
        data = malloc(info.st_size > 0 ? (size_t)info.st_size : 1);
        if (data != NULL)
            size = fread(data, 1, (size_t)info.st_size, file);
    }
    (void)fclose(file);
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (dir == NULL) {
            if (run_file(argv[i]) != 0)
                return 1;
            count++;
            continue;
        }
        for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
            char path[4096];
            if (entry->d_name[0] == '.')
                continue;
            (void)snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
            if (run_file(path) != 0)
                return 1;
            count++;
        }
        (void)closedir(dir);
    }
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
