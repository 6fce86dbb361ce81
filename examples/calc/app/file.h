/* Reads whole files. */
#ifndef FILE_H
#define FILE_H

#include <stdbool.h>

#include "strbuf.h"

/* Appends the content of a file. Returns false if it cannot be read. */
bool file_read(const char *path, Strbuf *content);

#endif
