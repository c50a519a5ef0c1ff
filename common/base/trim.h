/*
 * Gives memory back after work that will not come again soon, such as the start of a program or a first long
 * list: what malloc() keeps free, and the pages of the program's and its libraries' files that were mapped in
 * on the way. Only pages that nobody has changed are let go: they are the file's own, and are mapped in again
 * from the page cache when they are needed. Takes about a millisecond. Any thread.
 */
#ifndef NJ_BASE_TRIM_H
#define NJ_BASE_TRIM_H

void nj_memory_trim(void);

#endif
