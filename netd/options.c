// SPDX-License-Identifier: GPL-2.0-or-later
/* Command line. See options.h. */
#include "netd/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char options_help[] =
	"usage: vnetd [OPTIONS]\n"
	"Gives virtual machines their networks; controlled with vnet(1).\n"
	"\n"
	"  --durability HOW     what an acknowledged change or lease survives:\n"
	"                       process: death of any of ours  (process)\n"
	"                       full: a power cut, too; waits for the disk\n"
	"  --log-level LEVEL    error, warn, info or debug       (info)\n"
	"  --runtime-dir DIR    socket, lock and NIC sockets\n"
	"                       (root: /run/vnet, else $XDG_RUNTIME_DIR/vnet)\n"
	"  --state-dir DIR      the store, vnet.db\n"
	"                       (root: /var/lib/vnet, else\n"
	"                       ${XDG_STATE_HOME:-~/.local/state}/vnet)\n"
	"  --hosts-file FILE    keep names of VMs there, as in hosts(5)\n"
	"  --print-api          the control API's reference page (markdown)\n"
	"  --version, --help\n"
	"\n"
	"Stays in the foreground and logs to standard error. SIGTERM and SIGINT\n"
	"end it in order. As an ordinary user it serves nat and internal\n"
	"networks; host-only and bridged ones, and TAPs, need root.\n";

static int set_dir(const char *dir, char out[PATH_MAX], struct errtext *why)
{
	char cwd[PATH_MAX];
	int n;

	if (dir[0] == '/')
		n = snprintf(out, PATH_MAX, "%s", dir);
	else if (!getcwd(cwd, sizeof(cwd)))
		return errtext_set(why, -errno, "current folder: %s",
				   strerror(errno));
	else
		n = snprintf(out, PATH_MAX, "%s/%s", cwd, dir);
	if (!dir[0] || n >= PATH_MAX - 64)
		return errtext_set(why, -EINVAL,
				   "\"%.80s\" cannot be a path's name", dir);
	while (n > 1 && out[n - 1] == '/')
		out[--n] = '\0';
	return 0;
}

static int user_dirs(struct options *o, struct errtext *why)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	char path[PATH_MAX];
	int r = 0;

	if (!o->run_dir[0]) {
		if (!run || run[0] != '/')
			return errtext_set(why, -EINVAL,
					   "XDG_RUNTIME_DIR is not set; give "
					   "--runtime-dir DIR");
		snprintf(path, sizeof(path), "%s/vnet", run);
		r = set_dir(path, o->run_dir, why);
	}
	if (r || o->state_dir[0])
		return r;
	if (state && state[0] == '/')
		snprintf(path, sizeof(path), "%s/vnet", state);
	else if (home && home[0] == '/')
		snprintf(path, sizeof(path), "%s/.local/state/vnet", home);
	else
		return errtext_set(why, -EINVAL,
				   "HOME is not set; give --state-dir DIR");
	return set_dir(path, o->state_dir, why);
}

static int worker_options(int argc, char **argv, struct options *o,
			  struct errtext *why)
{
	if (argc < 3 || argc > 4 || (argc == 4 && strcmp(argv[3], "--isolated")))
		return errtext_set(why, -EINVAL,
				   "\"vnetd worker\" is for vnetd itself");
	o->action = OPT_WORKER;
	o->network = argv[2];
	o->isolated = argc == 4;
	return 0;
}

static int take_option(int c, const char *arg, struct options *o,
		       struct errtext *why)
{
	int level;

	switch (c) {
	case 'd':
		if (strcmp(arg, "full") && strcmp(arg, "process"))
			return errtext_set(why, -EINVAL,
					   "--durability must be process or "
					   "full");
		o->full = !strcmp(arg, "full");
		return 0;
	case 'l':
		level = log_level_parse(arg);
		if (level < 0)
			return errtext_set(why, -EINVAL,
					   "--log-level must be error, warn, "
					   "info or debug");
		o->log_level = (enum log_level)level;
		return 0;
	case 'r':
		return set_dir(arg, o->run_dir, why);
	case 's':
		return set_dir(arg, o->state_dir, why);
	case 'H':
		return set_dir(arg, o->hosts_file, why);
	case 'p':
		o->action = OPT_PRINT_API;
		return 0;
	case 'v':
		o->action = OPT_VERSION;
		return 0;
	case 'h':
		o->action = OPT_HELP;
		return 0;
	case ':':
		return errtext_set(why, -EINVAL, "an option lacks its value; "
						 "see vnetd --help");
	default:
		return errtext_set(why, -EINVAL,
				   "unknown option; see vnetd --help");
	}
}

int options_parse(int argc, char **argv, bool root, struct options *out,
		  struct errtext *why)
{
	static const struct option longs[] = {
		{"durability", required_argument, NULL, 'd'},
		{"log-level", required_argument, NULL, 'l'},
		{"runtime-dir", required_argument, NULL, 'r'},
		{"state-dir", required_argument, NULL, 's'},
		{"hosts-file", required_argument, NULL, 'H'},
		{"print-api", no_argument, NULL, 'p'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct options o = {.log_level = LOG_LVL_INFO};
	int c, r = 0;

	if (argc > 1 && !strcmp(argv[1], "worker")) {
		r = worker_options(argc, argv, &o, why);
		goto out;
	}
	optind = 0;
	while (!r && (c = getopt_long(argc, argv, ":h", longs, NULL)) != -1)
		r = take_option(c, optarg, &o, why);
	if (!r && optind < argc)
		r = errtext_set(why, -EINVAL,
				"unexpected argument \"%.40s\"; see vnetd "
				"--help",
				argv[optind]);
	if (r || o.action != OPT_RUN)
		goto out;
	if (root) {
		if (!o.run_dir[0])
			strcpy(o.run_dir, "/run/vnet");
		if (!o.state_dir[0])
			strcpy(o.state_dir, "/var/lib/vnet");
	} else {
		r = user_dirs(&o, why);
	}
out:
	if (!r)
		*out = o;
	return r;
}
