/* Memory that is freed all at once. */
#ifndef ARENA_H
#define ARENA_H

#include <stddef.h>

typedef struct ArenaBlock ArenaBlock;

typedef struct {
    ArenaBlock *blocks;
} Arena;

/* Returns zeroed memory for any type; ends the program if there is none. */
void *arena_alloc(Arena *arena, size_t size);
/* Returns a copy of `length` bytes, followed by a zero byte. */
char *arena_copy(Arena *arena, const char *bytes, size_t length);
void arena_free(Arena *arena);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))

#endif
