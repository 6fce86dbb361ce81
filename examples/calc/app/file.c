#include "file.h"

#include <stdio.h>

bool file_read(const char *path, Strbuf *content) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    char part[4096];
    size_t length;
    while ((length = fread(part, 1, sizeof part, file)) > 0)
        strbuf_add(content, part, length);
    const bool whole = ferror(file) == 0;
    fclose(file);
    return whole;
}
