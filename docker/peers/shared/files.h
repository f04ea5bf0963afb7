/* Opening what is served and what is downloaded, never outside the folder they belong to. */
#ifndef FILES_H
#define FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapping {
    uint8_t *data;             /* NULL if the file is empty */
    size_t size;
};

/* The folder's descriptor, or -1 after a complaint. */
int folder_open(const char *path);
/* Map a regular file beneath the folder; no "..", no link is followed. */
bool file_map(int folder, const char *path, struct mapping *mapping);
void file_unmap(struct mapping *mapping);
/* A new, empty file in the folder, for writing, or -1; no link is followed. */
int file_create(int folder, const char *name);

#endif
