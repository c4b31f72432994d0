// SPDX-License-Identifier: GPL-2.0-or-later
/* resolv.conf, parsed and watched. See resolv.h. */
#include "netd/resolv.h"

#include <ctype.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "lib/log.h"

#define SETTLE_MS 100
#define LINKS_MAX 16 /* symbolic links followed */
#define IN_FOLDER (IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | \
		   IN_MOVED_FROM | IN_ATTRIB)
/* The file too: where it is a mount of its own (containers), what is written to it
 * is no event of the folder. */
#define IN_FILE (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVE_SELF)

struct watches {
	int wd[LINKS_MAX + 2];
	size_t n;
};

struct resolv {
	char path[PATH_MAX];
	int fd; /* inotify */
	struct watches on;
	struct event *in, *settle;
	void (*changed)(void *arg);
	void *arg;
	struct resolv_server server[RESOLV_MAX];
	size_t n;
};

/* "192.0.2.53", "fe80::1%eth0". */
static bool parse_server(char *word, struct resolv_line *out)
{
	char *zone = strchr(word, '%');

	memset(out, 0, sizeof(*out));
	if (zone) {
		*zone++ = '\0';
		if (!*zone || strlen(zone) >= sizeof(out->zone))
			return false;
		memcpy(out->zone, zone, strlen(zone));
	}
	return !ipaddr_parse(word, &out->ip) &&
	       (!zone || !ipaddr_is4(&out->ip));
}

static void parse_line(const char *p, size_t len,
		       struct resolv_line out[RESOLV_MAX], size_t *n)
{
	static const char key[] = "nameserver";
	const size_t klen = sizeof(key) - 1;
	char word[IP_TEXT + RESOLV_ZONE];
	size_t w = 0;

	if (len <= klen || memcmp(p, key, klen) ||
	    !isblank((unsigned char)p[klen]) || *n == RESOLV_MAX)
		return;
	p += klen;
	len -= klen;
	while (len && isblank((unsigned char)*p)) {
		p++;
		len--;
	}
	while (w < len && w < sizeof(word) - 1 && p[w] &&
	       !isspace((unsigned char)p[w])) {
		word[w] = p[w];
		w++;
	}
	word[w] = '\0';
	if (parse_server(word, &out[*n]))
		(*n)++;
}

size_t resolv_parse(const char *text, size_t len,
		    struct resolv_line out[RESOLV_MAX])
{
	size_t n = 0;

	while (len) {
		const char *nl = memchr(text, '\n', len);
		size_t line = nl ? (size_t)(nl - text) : len;

		parse_line(text, line, out, &n);
		text += line;
		len -= line;
		if (len) {
			text++;
			len--;
		}
	}
	return n;
}

static size_t to_servers(const struct resolv_line *line, size_t n,
			 struct resolv_server *out)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t scope = 0;

		if (line[i].zone[0] && !(scope = if_nametoindex(line[i].zone)))
			continue;
		out[k++] = (struct resolv_server){line[i].ip, scope};
	}
	return k;
}

/* True when the list differs from before. */
static bool read_file(struct resolv *r)
{
	struct resolv_line line[RESOLV_MAX];
	struct resolv_server now[RESOLV_MAX];
	char *buf = malloc(RESOLV_FILE_MAX);
	int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t n = 0, used = 0;
	bool differs;

	while (fd >= 0 && buf && used < RESOLV_FILE_MAX) {
		ssize_t got = read(fd, buf + used, RESOLV_FILE_MAX - used);

		if (got <= 0)
			break;
		used += (size_t)got;
	}
	fd_close(&fd);
	if (buf)
		n = to_servers(line, resolv_parse(buf, used, line), now);
	free(buf);
	differs = n != r->n || memcmp(now, r->server, n * sizeof(now[0]));
	memcpy(r->server, now, n * sizeof(now[0]));
	r->n = n;
	return differs;
}

static void watch_one(struct resolv *r, struct watches *w, const char *path,
		      uint32_t events, int *err)
{
	int wd = inotify_add_watch(r->fd, path, events);

	*err = wd < 0 ? errno : 0;
	if (wd >= 0 && w->n < sizeof(w->wd) / sizeof(w->wd[0]))
		w->wd[w->n++] = wd;
}

/* Where @file is or would be: the nearest folder above it that exists. */
static void watch_folder_of(struct resolv *r, struct watches *w,
			    const char *file)
{
	char at[PATH_MAX];
	int err = ENOENT;

	snprintf(at, sizeof(at), "%s", file);
	while (err == ENOENT) {
		char *slash = strrchr(at, '/');

		if (!slash)
			break;
		*(slash == at ? slash + 1 : slash) = '\0';
		watch_one(r, w, at, IN_FOLDER, &err);
		if (slash == at)
			break;
	}
}

/* Follow one symbolic link in place: false when @path is none. */
static bool follow(char path[PATH_MAX])
{
	char to[PATH_MAX], whole[2 * PATH_MAX];
	ssize_t n = readlink(path, to, sizeof(to) - 1);
	const char *slash = strrchr(path, '/');

	if (n <= 0)
		return false;
	to[n] = '\0';
	if (to[0] == '/')
		snprintf(whole, sizeof(whole), "%s", to);
	else
		snprintf(whole, sizeof(whole), "%.*s%s",
			 slash ? (int)(slash - path + 1) : 0, path, to);
	if (strlen(whole) >= PATH_MAX)
		return false;
	strcpy(path, whole);
	return true;
}

static bool is_in(const struct watches *w, int wd)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->wd[i] == wd)
			return true;
	return false;
}

/* The file, and the folders of the name and of all that it points to. What was
 * watched before and is none of these any more is let go. */
static void watch(struct resolv *r)
{
	struct watches now = {.n = 0};
	char at[PATH_MAX];
	int err;

	snprintf(at, sizeof(at), "%s", r->path);
	for (int i = 0; i < LINKS_MAX; i++) {
		watch_folder_of(r, &now, at);
		if (!follow(at))
			break;
	}
	watch_one(r, &now, r->path, IN_FILE, &err);
	for (size_t i = 0; i < r->on.n; i++)
		if (!is_in(&now, r->on.wd[i]))
			(void)inotify_rm_watch(r->fd, r->on.wd[i]);
	r->on = now;
}

static void settle_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct resolv *r = arg;

	(void)fd;
	(void)what;
	watch(r);
	if (read_file(r))
		r->changed(r->arg);
}

static void inotify_on_readable(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval tv = {.tv_usec = SETTLE_MS * 1000};
	struct resolv *r = arg;
	char junk[4096];

	(void)what;
	for (int i = 0; i < 64; i++)
		if (read(fd, junk, sizeof(junk)) <= 0)
			break;
	if (!evtimer_pending(r->settle, NULL))
		evtimer_add(r->settle, &tv);
}

int resolv_new(struct event_base *base, const char *path,
	       void (*changed)(void *arg), void *arg, struct resolv **out,
	       struct errtext *why)
{
	struct resolv *r = calloc(1, sizeof(*r));

	if (!r)
		return errtext_set(why, -ENOMEM, "no memory");
	snprintf(r->path, sizeof(r->path), "%s", path);
	r->changed = changed;
	r->arg = arg;
	(void)read_file(r);
	*out = r;
	r->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (r->fd < 0) {
		log_warn("resolv: %s is not watched: %s", path,
			 strerror(errno));
		return 0;
	}
	watch(r);
	r->in = event_new(base, r->fd, EV_READ | EV_PERSIST,
			  inotify_on_readable, r);
	r->settle = evtimer_new(base, settle_on_timer, r);
	if (r->in && r->settle && !event_add(r->in, NULL))
		return 0;
	resolv_free(r);
	*out = NULL;
	return errtext_set(why, -ENOMEM, "no memory");
}

void resolv_free(struct resolv *r)
{
	if (!r)
		return;
	if (r->in)
		event_free(r->in);
	if (r->settle)
		event_free(r->settle);
	fd_close(&r->fd);
	free(r);
}

size_t resolv_servers(const struct resolv *r, const struct resolv_server **out)
{
	*out = r->server;
	return r->n;
}
