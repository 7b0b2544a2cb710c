#pragma once
#include <stddef.h>
typedef long ssize_t;
#define STDERR_FILENO 2
extern "C" ssize_t write(int file, const void *data, size_t bytes);
