/*
 * A folder of files in the place of /proc or /sys/fs/cgroup, for what this machine's kernel does not show.
 */
#ifndef NJ_TESTS_FAKE_TREE_H
#define NJ_TESTS_FAKE_TREE_H

enum { FAKE_PATH_MAX = 1024 };

struct fake_tree {
    char root[64];
};

/* All of these end the test when the machine refuses. */
void fake_tree_new(struct fake_tree *tree);
void fake_tree_done(struct fake_tree *tree); /* removes it */
/* Writes a file, with the folders above it. */
void fake_tree_put(const struct fake_tree *tree, const char *path, const char *text);
void fake_tree_folder(const struct fake_tree *tree, const char *path);
void fake_tree_link(const struct fake_tree *tree, const char *path, const char *to);
void fake_tree_remove(const struct fake_tree *tree, const char *path); /* with what is below it */

#endif
