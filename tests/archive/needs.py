"""The names of others that the library's objects may ask for."""

# Of the C library, ever: no printf, no malloc, no abort. `write` is HALNORM_VERBOSE's.
LIBC = {"getenv", "memcpy", "memset", "strcmp", "strlen", "strncat", "write", "getauxval"}
LIBM = {"fmin", "fminf"}
# The thread pool's and the GPU drivers'.
THREADS = {"sysconf", "clock_gettime", "sched_getaffinity", "sched_yield", "__sched_cpucount",
           "pthread_atfork", "pthread_attr_destroy", "pthread_attr_init", "pthread_attr_setdetachstate",
           "pthread_cond_broadcast", "pthread_cond_signal", "pthread_cond_wait", "pthread_create", "pthread_mutex_lock",
           "pthread_mutex_trylock", "pthread_mutex_unlock", "pthread_once"}
LIBDL = {"dlopen", "dlsym"}  # the GPU's driver
LINKER = {"_GLOBAL_OFFSET_TABLE_", "__tls_get_addr"}
# Of the compiler's own library: 64-bit arithmetic and division on ARMv7. Not the atomics that ask the machine on AArch64,
# which bring a static constructor.
COMPILER = r"__aeabi_\w+"

# All that a kernel may ask for; a kernel for a GPU also calls the runtime's own functions.
KERNEL = {"memcpy", "memset"}
KERNEL_ARMV7 = {"__aeabi_idiv", "__aeabi_idivmod"}
# Elsewhere: division on ARMv7 without an operating system, memory cleared on Android; a large stack frame and the use of
# floats on Windows.
KERNEL_EMITTED = {"__divsi3", "__modsi3", "__aeabi_memclr", "__aeabi_memclr4", "__aeabi_memclr8", "__chkstk", "_fltused"}
