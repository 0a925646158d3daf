/* Running out of memory ends the program with one sentence.
 *
 * Under a limit (ulimit -v, a batch system's h_vmem) any allocation may fail, in this program or in a library: Swift's
 * runtime then traps with a hundred lines of registers, OpenBLAS and libdispatch ask again and again for ever. None of
 * them can be told what to do instead, but all of them ask the C library, and a program's own functions of that name
 * stand before the library's (symbol interposition). The ones here hand each request on and look at the answer.
 *
 * Source: glibc manual, "Replacing malloc"; the __libc_ names are glibc's for that purpose. */
#define _GNU_SOURCE
#include "include/memory.h"
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h> /* says whether this is glibc */
#ifdef __GLIBC__
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

/* Writes the sentence without any memory, and ends the program: ExitStatus.other. */
static void end(const char *what, size_t bytes) {
    char text[400], digits[24];
    size_t length = 0;
#define PUT(s) do { size_t n_ = strlen(s); memcpy(text + length, s, n_); length += n_; } while (0)
    PUT("prism-dmri: out of memory: ");
    PUT(what);
    if (bytes) {
        int k = sizeof digits - 1;
        digits[k] = 0;
        for (size_t megabytes = bytes / 1000000 + 1; megabytes; megabytes /= 10)
            digits[--k] = (char)('0' + megabytes % 10);
        PUT(digits + k);
        PUT(" MB more could not be had");
    }
    PUT("; use fewer threads (--nthreads), fit in parts (--shard 1/4), or allow more memory (ulimit -v, the batch "
        "system's limit)\n");
    /* Threads run out together: the first one speaks, and ends the others. */
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&said)) for (;;) pause();
    ssize_t ignored = write(2, text, length);
    (void)ignored;
    _exit(1);
}

static void *checked(void *answer, size_t bytes) {
    if (!answer && bytes) end("", bytes);
    return answer;
}

void *malloc(size_t bytes) { return checked(__libc_malloc(bytes), bytes); }

void *calloc(size_t count, size_t bytes) {
    size_t total;
    return checked(__libc_calloc(count, bytes), __builtin_mul_overflow(count, bytes, &total) ? SIZE_MAX : total);
}

void *realloc(void *before, size_t bytes) { return checked(__libc_realloc(before, bytes), bytes); }

void *memalign(size_t alignment, size_t bytes) { return checked(__libc_memalign(alignment, bytes), bytes); }

void *aligned_alloc(size_t alignment, size_t bytes) { return checked(__libc_memalign(alignment, bytes), bytes); }

int posix_memalign(void **place, size_t alignment, size_t bytes) {
    if (alignment < sizeof(void *) || (alignment & (alignment - 1))) return EINVAL;
    *place = checked(__libc_memalign(alignment, bytes), bytes);
    return 0;
}

void *mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset) {
    void *answer = (void *)syscall(SYS_mmap, address, bytes, protection, flags, file, offset);
    /* Huge pages are asked for in vain on most machines, and the caller knows. */
    if (answer == MAP_FAILED && errno == ENOMEM && !(flags & MAP_HUGETLB)) end("", bytes);
    return answer;
}

void *mmap64(void *address, size_t bytes, int protection, int flags, int file, off_t offset) {
    return mmap(address, bytes, protection, flags, file, offset);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
    static int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!create) create = (__typeof__(create))dlsym(RTLD_NEXT, "pthread_create");
    int result = create(thread, attributes, start, argument);
    if (result == EAGAIN || result == ENOMEM) end("a thread could not be started", 0);
    return result;
}

/* OpenBLAS starts a thread for every processor as it is loaded, before main, and each takes 134 MB of address space:
 * too much for short commands under a limit, and gigabytes on large machines. Our own threads do the work, and to
 * OpenBLAS each of them is one; so it is told "1" here, where it asks. */
char *getenv(const char *name) {
    if (!strcmp(name, "OPENBLAS_NUM_THREADS")) return (char *)"1";
    size_t length = strlen(name);
    for (char **entry = environ; entry && *entry; entry++)
        if (!strncmp(*entry, name, length) && (*entry)[length] == '=') return *entry + length + 1;
    return 0;
}
#endif
