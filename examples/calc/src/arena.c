#include "arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 16 * 1024 };

struct ArenaBlock {
    ArenaBlock *next;
    size_t used, size;
    alignas(max_align_t) char bytes[];
};

static ArenaBlock *new_block(ArenaBlock *next, size_t size) {
    ArenaBlock *block = calloc(1, sizeof *block + size);
    if (block == NULL) {
        fputs("calc: out of memory\n", stderr);
        exit(70);
    }
    block->next = next;
    block->size = size;
    return block;
}

void *arena_alloc(Arena *arena, size_t size) {
    const size_t unit = alignof(max_align_t);
    size = (size + unit - 1) / unit * unit;
    if (arena->blocks == NULL || arena->blocks->size - arena->blocks->used < size)
        arena->blocks = new_block(arena->blocks, size > BLOCK_SIZE ? size : BLOCK_SIZE);
    void *memory = arena->blocks->bytes + arena->blocks->used;
    arena->blocks->used += size;
    return memory;
}

char *arena_copy(Arena *arena, const char *bytes, size_t length) {
    char *copy = arena_alloc(arena, length + 1);
    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

void arena_free(Arena *arena) {
    while (arena->blocks != NULL) {
        ArenaBlock *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
}
