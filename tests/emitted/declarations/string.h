#pragma once
#include <stddef.h>
extern "C" {
void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t most);
size_t strcspn(const char *text, const char *until);
size_t strspn(const char *text, const char *of);
char *strncat(char *to, const char *from, size_t most);
}
