// What of an operating system the runtime uses where there is one.
#pragma once

#if defined(__unix__) || defined(__APPLE__)
#define HALNORM_HAS_STANDARD_ERROR 1
#else
#define HALNORM_HAS_STANDARD_ERROR 0
#endif

// Without threads, and without the memory that they have of their own, one of each is enough.
#if HALNORM_HAS_STANDARD_ERROR || defined(_WIN32)
#define HALNORM_PER_THREAD thread_local
#else
#define HALNORM_PER_THREAD
#endif
