// SPDX-License-Identifier: GPL-2.0-or-later
/* A guest's memory. See vhost_mem.h. */
#include "switch/vhost_mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "switch/vhost_fd.h"

/* A signal handler cannot be given an argument: it has to find the mapping by the
 * address that faulted. SIGBUS is raised by our own accesses alone, so it never
 * meets these lists half changed. */
static struct list all = {&all, &all};

/* ---- truncated files ------------------------------------------------------ */

static bool owns(const struct vhost_region *r, const uint8_t *at)
{
	const uint8_t *from = r->map;

	return from && at >= from && at < from + r->map_len;
}

/* Put empty memory where the file was. mmap() is a plain system call. */
static bool patch(struct vhost_region *r, const uint8_t *at)
{
	return owns(r, at) &&
	       mmap(r->map, r->map_len, PROT_READ | PROT_WRITE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		    0) != MAP_FAILED;
}

static bool patch_mem(struct vhost_mem *m, const uint8_t *at)
{
	if (patch(&m->log, at))
		return true;
	for (unsigned int i = 0; i < m->n; i++)
		if (patch(&m->r[i], at))
			return true;
	return false;
}

static void on_sigbus(int sig, siginfo_t *info, void *ctx)
{
	(void)ctx;
	list_for_each(m, &all, struct vhost_mem, node) {
		if (patch_mem(m, info->si_addr)) {
			m->broken = 1;
			return;
		}
	}
	/* Not ours: the access is made again, and ends the process. */
	signal(sig, SIG_DFL);
}

static int handle_sigbus(void)
{
	struct sigaction sa = {.sa_sigaction = on_sigbus,
			       .sa_flags = SA_SIGINFO};

	sigemptyset(&sa.sa_mask);
	return sigaction(SIGBUS, &sa, NULL) ? -errno : 0;
}

/* ---- life ------------------------------------------------------------------ */

int vhost_mem_init(struct vhost_mem *m)
{
	int r = handle_sigbus();

	memset(m, 0, sizeof(*m));
	if (r)
		return r;
	m->r = calloc(VHOST_REGIONS_MAX, sizeof(*m->r));
	if (!m->r)
		return -ENOMEM;
	list_add_tail(&all, &m->node);
	return 0;
}

static void unmap(struct vhost_region *r)
{
	if (r->map)
		munmap(r->map, r->map_len);
	r->map = NULL;
}

void vhost_mem_clear(struct vhost_mem *m)
{
	for (unsigned int i = 0; i < m->n; i++)
		unmap(&m->r[i]);
	m->n = m->hot = 0;
	m->r[0].size = 0; /* vhost_mem_gpa() looks at it */
}

void vhost_mem_fini(struct vhost_mem *m)
{
	if (!m->r)
		return;
	vhost_mem_clear(m);
	unmap(&m->log);
	list_del(&m->node);
	free(m->r);
	m->r = NULL;
}

/* ---- mapping --------------------------------------------------------------- */

/* Fills in host, map and map_len; size is to be there. */
static int map(struct vhost_region *r, uint64_t offset, int fd,
	       struct errtext *why)
{
	uint64_t align, skip, len, file;
	int err = vhost_fd_memory(fd, &file, &align, why);
	void *p;

	if (err)
		return err;
	if (!r->size || offset > file || r->size > file - offset)
		return errtext_set(why, -EINVAL, "memory beyond its file's end");
	skip = offset & (align - 1);
	len = (r->size + skip + align - 1) & ~(align - 1);
	if (len < r->size || len > SIZE_MAX / 2)
		return errtext_set(why, -EINVAL, "more memory than there is");
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
		 fd, (off_t)(offset - skip));
	if (p == MAP_FAILED)
		return errtext_set(why, -errno, "memory cannot be mapped: %s",
				   strerror(errno));
	r->map = p;
	r->map_len = len;
	r->host = (uint8_t *)p + skip;
	return 0;
}

static bool apart(uint64_t a, uint64_t an, uint64_t b, uint64_t bn)
{
	return a < b ? an <= b - a : bn <= a - b;
}

struct sum {
	uint64_t size;
	unsigned int n;
};

static void count(const struct vhost_mem *m, struct sum *s)
{
	for (unsigned int i = 0; i < m->n; i++)
		s->size += m->r[i].size;
	s->n += m->n;
}

/* Is there room for one more region, for this guest and beside the others? */
static int limit(const struct vhost_mem *m, uint64_t size, struct errtext *why)
{
	struct sum own = {0}, sum = {0};

	if (m->n == VHOST_REGIONS_MAX)
		return errtext_set(why, -ENOSPC, "more than %d regions",
				   VHOST_REGIONS_MAX);
	count(m, &own);
	if (size > VHOST_MEM_MAX || own.size > VHOST_MEM_MAX - size)
		return errtext_set(why, -ENOSPC, "more than 4 TiB of memory");
	list_for_each(o, &all, struct vhost_mem, node)
		count(o, &sum);
	if (sum.n >= VHOST_REGIONS_ALL || sum.size > VHOST_MEM_ALL - size)
		return errtext_set(why, -ENOSPC,
				   "the network's guests have too much memory "
				   "together");
	return 0;
}

int vhost_mem_add(struct vhost_mem *m, uint64_t gpa, uint64_t size,
		  uint64_t uva, uint64_t offset, int fd, struct errtext *why)
{
	struct vhost_region r = {.gpa = gpa, .size = size, .uva = uva};
	unsigned int i = 0;
	int err;

	(void)vhost_mem_del(m, gpa, size, uva);
	err = limit(m, size, why);
	if (err)
		return err;
	if (size > UINT64_MAX - gpa || size > UINT64_MAX - uva)
		return errtext_set(why, -EINVAL, "memory that wraps around");
	for (unsigned int j = 0; j < m->n; j++) {
		const struct vhost_region *o = &m->r[j];

		if (!apart(gpa, size, o->gpa, o->size) ||
		    !apart(uva, size, o->uva, o->size))
			return errtext_set(why, -EINVAL,
					   "memory regions that overlap");
	}
	err = map(&r, offset, fd, why);
	if (err)
		return err;
	while (i < m->n && m->r[i].gpa < gpa)
		i++;
	memmove(&m->r[i + 1], &m->r[i], (m->n - i) * sizeof(r));
	m->r[i] = r;
	m->n++;
	return 0;
}

int vhost_mem_del(struct vhost_mem *m, uint64_t gpa, uint64_t size,
		  uint64_t uva)
{
	for (unsigned int i = 0; i < m->n; i++) {
		struct vhost_region *r = &m->r[i];

		if (r->gpa != gpa || r->size != size || r->uva != uva)
			continue;
		unmap(r);
		m->n--;
		m->hot = 0;
		memmove(r, r + 1, (m->n - i) * sizeof(*r));
		if (!m->n)
			m->r[0].size = 0; /* as vhost_mem_clear() */
		return 0;
	}
	return -ENOENT;
}

/* ---- addresses --------------------------------------------------------------- */

void *vhost_mem_seek(struct vhost_mem *m, uint64_t gpa, size_t *len)
{
	const struct vhost_region *r;
	unsigned int lo = 0, hi = m->n;

	/* The last region that begins at gpa or before. */
	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (m->r[mid].gpa <= gpa)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	r = &m->r[lo - 1];
	if (gpa - r->gpa >= r->size)
		return NULL;
	m->hot = lo - 1;
	gpa -= r->gpa;
	if (*len > r->size - gpa)
		*len = (size_t)(r->size - gpa);
	return r->host + gpa;
}

void *vhost_mem_uva(struct vhost_mem *m, uint64_t uva, size_t len)
{
	for (unsigned int i = 0; i < m->n; i++) {
		const struct vhost_region *r = &m->r[i];
		uint64_t at = uva - r->uva;

		if (uva >= r->uva && at < r->size && len <= r->size - at)
			return r->host + at;
	}
	return NULL;
}

/* ---- the log ------------------------------------------------------------------- */

int vhost_mem_log(struct vhost_mem *m, int fd, uint64_t offset, uint64_t size,
		  struct errtext *why)
{
	struct vhost_region log = {.size = size};
	int r = size > VHOST_LOG_MAX
			? errtext_set(why, -ENOSPC, "more than 4 GiB")
			: map(&log, offset, fd, why);

	if (r)
		return errtext_prefix(why, r, "the log");
	unmap(&m->log);
	m->log = log;
	return 0;
}

void vhost_mem_dirty(struct vhost_mem *m, uint64_t gpa, uint64_t len)
{
	uint64_t page = gpa / VHOST_LOG_PAGE, last;

	if (!m->log.map || !len || len - 1 > UINT64_MAX - gpa)
		return;
	last = (gpa + len - 1) / VHOST_LOG_PAGE;
	for (; page <= last && page / 8 < m->log.size; page++)
		(void)__atomic_fetch_or(m->log.host + page / 8,
					(uint8_t)(1u << (page % 8)),
					__ATOMIC_RELEASE);
}
