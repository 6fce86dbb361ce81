#include "arena.h"

#include <stdint.h>

#include "test.h"

int main(void) {
    Arena arena = {0};
    for (size_t size = 1; size < 100000; size = size * 3 + 1) {
        char *memory = arena_alloc(&arena, size);
        CHECK((uintptr_t)memory % 16 == 0);
        CHECK(memory[0] == 0 && memory[size - 1] == 0);
        memset(memory, 'x', size);
    }
    char *copy = arena_copy(&arena, "hello, world", 5);
    CHECK_STRING(copy, "hello");
    arena_free(&arena);
    CHECK(arena.blocks == NULL);
    return TEST_RESULT();
}
