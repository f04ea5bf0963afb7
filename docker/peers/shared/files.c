/* Opening what is served and what is downloaded, never outside the folder they belong to. */
#define _GNU_SOURCE
#include "files.h"

#include "contract.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int folder_open(const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder == -1)
        complain("%s: %m", path);
    return folder;
}

/* Component by component, since openat2() is not allowed in every container. */
static int open_beneath(int folder, const char *path)
{
    int at = dup(folder);
    while (at != -1 && *path == '/') {
        char name[256];
        size_t size = strcspn(++path, "/");
        bool last = path[size] == '\0';
        bool plain = size > 0 && size < sizeof name && !(size == 1 && path[0] == '.') &&
                     !(size == 2 && path[0] == '.' && path[1] == '.');
        int found = -1;
        if (plain) {
            memcpy(name, path, size);
            name[size] = '\0';
            /* O_NONBLOCK: do not wait for a pipe's writer before fstat() can refuse it. */
            found = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK |
                                         (last ? 0 : O_DIRECTORY));
        }
        close(at);
        at = found;
        path += size;
    }
    if (at != -1 && *path != '\0') {
        close(at);
        return -1;
    }
    return at;
}

bool file_map(int folder, const char *path, struct mapping *mapping)
{
    if (*path != '/')
        return false;
    int fd = open_beneath(folder, path);
    if (fd == -1)
        return false;
    struct stat status;
    bool regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    *mapping = (struct mapping){0};
    if (regular && status.st_size > 0) {
        void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data != MAP_FAILED)
            *mapping = (struct mapping){data, (size_t)status.st_size};
        else
            regular = false;
    }
    close(fd);
    return regular;
}

void file_unmap(struct mapping *mapping)
{
    if (mapping->data)
        munmap(mapping->data, mapping->size);
    *mapping = (struct mapping){0};
}

int file_create(int folder, const char *name)
{
    return openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
}
