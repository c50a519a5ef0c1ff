#include "tests/unit/agent/fake_tree.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/test.h"

void fake_tree_new(struct fake_tree *tree)
{
    (void)snprintf(tree->root, sizeof(tree->root), "/tmp/nj-tree-XXXXXX");
    assert_non_null(mkdtemp(tree->root));
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

void fake_tree_done(struct fake_tree *tree)
{
    assert_int_equal(nftw(tree->root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void path_of(const struct fake_tree *tree, const char *path, char out[FAKE_PATH_MAX])
{
    assert_in_range(snprintf(out, FAKE_PATH_MAX, "%s/%s", tree->root, path), 1, FAKE_PATH_MAX - 1);
}

static void make_above(const struct fake_tree *tree, char *path)
{
    for (char *slash = strchr(path + strlen(tree->root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
        *slash = '/';
    }
}

void fake_tree_put(const struct fake_tree *tree, const char *path, const char *text)
{
    char file[FAKE_PATH_MAX];
    path_of(tree, path, file);
    make_above(tree, file);
    FILE *out = fopen(file, "we");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

void fake_tree_folder(const struct fake_tree *tree, const char *path)
{
    char folder[FAKE_PATH_MAX];
    path_of(tree, path, folder);
    make_above(tree, folder);
    assert_true(mkdir(folder, 0755) == 0 || errno == EEXIST);
}

void fake_tree_link(const struct fake_tree *tree, const char *path, const char *to)
{
    char link[FAKE_PATH_MAX];
    path_of(tree, path, link);
    make_above(tree, link);
    assert_int_equal(symlink(to, link), 0);
}

void fake_tree_remove(const struct fake_tree *tree, const char *path)
{
    char folder[FAKE_PATH_MAX];
    path_of(tree, path, folder);
    assert_int_equal(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}
