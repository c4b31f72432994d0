// SPDX-License-Identifier: GPL-2.0-or-later
/* See tftpctl.h. */
#include "netd/tftpctl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dhcp/tftp.h"
#include "lib/fdutil.h"
#include "lib/log.h"
#include "netd/ctl.h"
#include "netd/opener.h"
#include "netd/proto.h"
#include "netd/super.h"
#include "netd/wmsg.h"

int tftpctl_check(const char *dir, struct errtext *why)
{
	int fd;

	if (dir[0] != '/' || strlen(dir) > CONF_PATH_MAX)
		return errtext_set(why, -EINVAL,
				   "the TFTP folder must be an absolute path of "
				   "at most %d characters",
				   CONF_PATH_MAX);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errtext_set(why, -EINVAL, "TFTP folder %.120s: %s", dir,
				   strerror(errno));
	close(fd);
	return 0;
}

static int open_below(int dir, const char *name)
{
	/* Without O_NONBLOCK a fifo would hold us. */
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static int regular(int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	*size = (uint64_t)st.st_size;
	return 0;
}

int tftpctl_open(const char *dir, const char *name, uint64_t *size)
{
	char path[TFTP_NAME_MAX + 1];
	int dfd, fd, r;

	name += strspn(name, "/\\");
	if (!name[0] || strlen(name) > TFTP_NAME_MAX)
		return -ENOENT;
	dfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dfd < 0)
		return -errno;
	fd = open_below(dfd, name);
	if (fd == -ENOENT && strchr(name, '\\')) {
		memcpy(path, name, strlen(name) + 1);
		for (char *p = path; (p = strchr(p, '\\')); p++)
			*p = '/';
		fd = open_below(dfd, path);
	}
	close(dfd);
	if (fd < 0)
		return fd;
	r = regular(fd, size);
	if (r) {
		close(fd);
		return r;
	}
	return fd;
}

/* @fd: borrowed; or negative errno. */
static void say(struct network *n, uint64_t token, int fd, uint64_t size)
{
	if (fd < 0)
		super_send(n->sup, W_TFTP_FILE,
			   json_pack("{s:I,s:i}", "token", (json_int_t)token,
				     "error", -fd),
			   NULL, 0);
	else
		super_send(n->sup, W_TFTP_FILE,
			   json_pack("{s:I,s:I}", "token", (json_int_t)token,
				     "size", (json_int_t)size),
			   &fd, 1);
}

static void opened(void *arg, uint64_t token, int fd, uint64_t size)
{
	struct network *n = arg;

	if (n->sup)
		say(n, token, fd, size);
}

/* Negative errno when it cannot be asked for. */
static int ask(struct network *n, uint64_t token, const char *name)
{
	struct errtext why = {""};
	int r = n->opener ? opener_ask(n->opener, token, n->conf.tftp, name)
			  : -EPIPE;

	if (r != -EPIPE)
		return r;
	/* There was none, or somebody has ended it. */
	tftpctl_end(n);
	r = opener_new(n->ctl->base, opened, n, &n->opener, &why);
	if (r)
		log_warn("network %s: %s", n->conf.name, why.s);
	return r ? r : opener_ask(n->opener, token, n->conf.tftp, name);
}

int tftpctl_message(struct network *n, json_t *body, struct errtext *why)
{
	char name[TFTP_NAME_MAX + 1];
	int64_t token = 0;
	int r = wmsg_tftp(body, &token, name, why);

	if (r)
		return r;
	/* The network may have lost its folder meanwhile. */
	r = n->conf.tftp[0] ? ask(n, (uint64_t)token, name) : -ENOENT;
	if (r)
		say(n, (uint64_t)token, r, 0);
	return 0;
}

void tftpctl_end(struct network *n)
{
	opener_free(n->opener);
	n->opener = NULL;
}
