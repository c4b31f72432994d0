// SPDX-License-Identifier: GPL-2.0-or-later
/* Memory for buffers in flight. See vhost_inflight.h. */
#include "switch/vhost_inflight.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "switch/vhost_msg.h"

/* A ring's part: u64 features, u16 version, u16 descriptors, u16 last batch, u16 used
 * index; then 16 bytes for each descriptor. */
#define HDR_LEN	 16
#define DESC_LEN 16
#define VERSION	 1

static size_t part_len(uint16_t num)
{
	return (HDR_LEN + (size_t)num * DESC_LEN + 63) & ~(size_t)63;
}

static int fill(int fd, uint16_t queues, uint16_t num)
{
	size_t part = part_len(num), len = queues * part;
	const uint16_t about[2] = {VERSION, num};
	uint8_t *p;

	if (ftruncate(fd, (off_t)len))
		return -errno;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	for (uint16_t i = 0; i < queues; i++)
		memcpy(p + i * part + 8, about, sizeof(about));
	munmap(p, len);
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	return 0;
}

int vhost_inflight_new(uint16_t queues, uint16_t num, uint64_t *size,
		       struct errtext *why)
{
	int fd, r;

	if (!queues || queues > VHOST_VQS || !num || num > VRING_NUM_MAX)
		return errtext_set(why, -EPROTO, "%u rings of %u entries",
				   queues, num);
	fd = memfd_create("inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return errtext_set(why, -errno, "memfd: %s", strerror(errno));
	r = fill(fd, queues, num);
	if (r) {
		fd_close(&fd);
		return errtext_set(why, r, "memfd: %s", strerror(-r));
	}
	*size = queues * part_len(num);
	return fd;
}
