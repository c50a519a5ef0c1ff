#include "tests/unit/agent/faulty_vfs.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

struct faulty_vfs {
    sqlite3_vfs base;
    sqlite3_vfs *below;
    struct faulty_disk *disk;
};

/* A file of ours; the real one follows it in the same memory. */
struct faulty_file {
    sqlite3_file base;
    sqlite3_io_methods methods;
    struct faulty_disk *disk;
};

static sqlite3_file *real(sqlite3_file *file)
{
    return (sqlite3_file *)((struct faulty_file *)file + 1);
}

/* SQLITE_OK, or the failure that is due. */
static int fault(sqlite3_file *file)
{
    struct faulty_disk *disk = ((struct faulty_file *)file)->disk;
    disk->calls++;
    if (disk->fail_from == 0 || disk->calls < disk->fail_from || (disk->fail_once && disk->failed > 0))
        return SQLITE_OK;
    disk->failed++;
    return disk->code;
}

static int file_close(sqlite3_file *file)
{
    return real(file)->pMethods->xClose(real(file));
}

static int file_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
    return real(file)->pMethods->xRead(real(file), bytes, len, at);
}

static int file_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
    int code = fault(file);
    return code != SQLITE_OK ? code : real(file)->pMethods->xWrite(real(file), bytes, len, at);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int code = fault(file);
    return code != SQLITE_OK ? code : real(file)->pMethods->xTruncate(real(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
    int code = fault(file);
    return code != SQLITE_OK ? code : real(file)->pMethods->xSync(real(file), flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real(file)->pMethods->xFileSize(real(file), size);
}

static int file_lock(sqlite3_file *file, int level)
{
    return real(file)->pMethods->xLock(real(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return real(file)->pMethods->xUnlock(real(file), level);
}

static int file_check_lock(sqlite3_file *file, int *reserved)
{
    return real(file)->pMethods->xCheckReservedLock(real(file), reserved);
}

static int file_control(sqlite3_file *file, int operation, void *argument)
{
    return real(file)->pMethods->xFileControl(real(file), operation, argument);
}

static int file_sector(sqlite3_file *file)
{
    return real(file)->pMethods->xSectorSize(real(file));
}

static int file_traits(sqlite3_file *file)
{
    return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
    sqlite3_vfs *below = ((struct faulty_vfs *)vfs)->below;
    struct faulty_file *ours = (struct faulty_file *)file;
    memset(ours, 0, sizeof(*ours));
    int code = below->xOpen(below, name, real(file), flags, ret_flags);
    if (code != SQLITE_OK)
        return code;
    /* Version 1: no shared memory. With exclusive locking SQLite needs none for its write-ahead log. */
    ours->methods = (sqlite3_io_methods){
        .iVersion = 1,
        .xClose = file_close,
        .xRead = file_read,
        .xWrite = file_write,
        .xTruncate = file_truncate,
        .xSync = file_sync,
        .xFileSize = file_size,
        .xLock = file_lock,
        .xUnlock = file_unlock,
        .xCheckReservedLock = file_check_lock,
        .xFileControl = file_control,
        .xSectorSize = file_sector,
        .xDeviceCharacteristics = file_traits,
    };
    ours->disk = ((struct faulty_vfs *)vfs)->disk;
    ours->base.pMethods = &ours->methods;
    return SQLITE_OK;
}

void faulty_vfs_install(struct faulty_disk *disk)
{
    sqlite3_vfs *below = sqlite3_vfs_find(NULL);
    struct faulty_vfs *vfs = malloc(sizeof(*vfs));
    if (below == NULL || vfs == NULL)
        abort();
    /* Everything that is not about an open file is the real one's. */
    *vfs = (struct faulty_vfs){.base = *below, .below = below, .disk = disk};
    vfs->base.szOsFile = (int)sizeof(struct faulty_file) + below->szOsFile;
    vfs->base.zName = "faulty";
    vfs->base.xOpen = vfs_open;
    if (sqlite3_vfs_register(&vfs->base, 1) != SQLITE_OK)
        abort();
}

void faulty_vfs_remove(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find("faulty");
    if (vfs == NULL)
        return;
    (void)sqlite3_vfs_unregister(vfs);
    free(vfs);
}
