/*
 * Makes the n-th call of one system function fail, for files below one directory: a library to be preloaded.
 *
 *   FAIL_CALL=pwrite FAIL_AT=3 FAIL_ERRNO=5 FAIL_BELOW=/some/directory LD_PRELOAD=failing.so program
 *
 * Says so on standard error when it does. The call that fails does nothing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_int calls;

static int is_below(const char *path) {
  const char *below = getenv("FAIL_BELOW");
  return below != NULL && strncmp(path, below, strlen(below)) == 0;
}

static int is_open_below(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_below(path);
}

/* Whether this is the call that is to fail; sets errno if so. */
static int fails(const char *name, int is_ours) {
  const char *wanted = getenv("FAIL_CALL");
  if (!is_ours || wanted == NULL || strcmp(wanted, name) != 0) return 0;
  if (atomic_fetch_add(&calls, 1) + 1 != atoi(getenv("FAIL_AT"))) return 0;
  dprintf(2, "failed: %s\n", name);
  errno = atoi(getenv("FAIL_ERRNO"));
  return 1;
}

#define real(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
  return fails("pwrite", is_open_below(fd)) ? -1 : real(pwrite)(fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
  return fails("pwrite", is_open_below(fd)) ? -1 : real(pwrite64)(fd, bytes, size, at);
}

int fdatasync(int fd) {
  return fails("fdatasync", is_open_below(fd)) ? -1 : real(fdatasync)(fd);
}

int fsync(int fd) {
  return fails("fsync", is_open_below(fd)) ? -1 : real(fsync)(fd);
}

int rename(const char *from, const char *to) {
  return fails("rename", is_below(from)) ? -1 : real(rename)(from, to);
}

int link(const char *from, const char *to) {
  return fails("link", is_below(from)) ? -1 : real(link)(from, to);
}

int unlink(const char *path) {
  return fails("unlink", is_below(path)) ? -1 : real(unlink)(path);
}
