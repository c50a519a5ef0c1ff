/*
 * SQLite's view of the disk, with a disk that fails when told to: for tests that cause each I/O failure in
 * turn.
 */
#ifndef NJ_TEST_FAULTY_VFS_H
#define NJ_TEST_FAULTY_VFS_H

#include <stdbool.h>

struct faulty_disk {
    int calls;      /* writes, syncs and truncations so far */
    int fail_from;  /* the number of the first one that fails, from 1; 0: none */
    bool fail_once; /* later ones succeed again */
    int code;       /* SQLITE_FULL, SQLITE_IOERR_WRITE, ... */
    int failed;     /* how many did */
};

/* Makes it the process's default file system, around the real one. `disk` stays the test's. */
void faulty_vfs_install(struct faulty_disk *disk);
void faulty_vfs_remove(void);

#endif
