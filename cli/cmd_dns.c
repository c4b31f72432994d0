// SPDX-License-Identifier: GPL-2.0-or-later
/* Records of a network's DNS that the user adds. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/strv.h"
#include "cli/tables.h"
#include "lib/replace.h"

#define HOSTS_MARK "# vnet: names of VMs" /* as vnetd's */
#define MERGE_BEGIN "# vnet: begin of names of VMs, by vnet hosts --merge"
#define MERGE_END   "# vnet: end of names of VMs"
#define VALUE_AT 3 /* the words from here on are the value */

/* "0 5 5060 sip" in words or in quotes. */
static void add_value(const struct cli *c, json_t *p)
{
	const char *word[4];
	size_t n = 0;
	char *text;

	while (n < ARRAY_LEN(word) &&
	       (word[n] = args_pos(&c->args, VALUE_AT + n)))
		n++;
	if (!n)
		return;
	text = strv_fmt("%s%s%s%s%s%s%s", word[0], n > 1 ? " " : "",
			n > 1 ? word[1] : "", n > 2 ? " " : "",
			n > 2 ? word[2] : "", n > 3 ? " " : "",
			n > 3 ? word[3] : "");
	json_object_set_new(p, "value", json_string(text));
	free(text);
}

static json_t *record_param(const struct cli *c)
{
	json_t *p = json_pack("{s:s,s:s}", "network", args_pos(&c->args, 0),
			      "name", args_pos(&c->args, 1));

	if (args_pos(&c->args, 2))
		json_object_set_new(p, "type",
				    json_string(args_pos(&c->args, 2)));
	add_value(c, p);
	return p;
}

static int add_run(struct cli *c)
{
	json_t *res;
	int r = cli_call(c, "dns.add", record_param(c), &res);

	if (r)
		return r;
	if (!cli_json(c, res))
		printf("network %s: %s %s %s\n", cli_str(res, "network"),
		       cli_str(res, "fqdn"), cli_str(res, "type"),
		       cli_str(res, "value"));
	json_decref(res);
	return CLI_OK;
}

static int del_run(struct cli *c)
{
	json_t *res;
	int r = cli_call(c, "dns.del", record_param(c), &res);

	if (r)
		return r;
	if (!cli_json(c, res))
		printf("network %s: %d record(s) of %s removed\n",
		       args_pos(&c->args, 0),
		       (int)json_integer_value(
			       json_object_get(res, "removed")),
		       args_pos(&c->args, 1));
	json_decref(res);
	return CLI_OK;
}

static int list_run(struct cli *c)
{
	return cli_list(c, "dns.list", "records", table_records);
}

static void print_rows(const json_t *hosts, FILE *f)
{
	json_t *row, *name;
	size_t i, k;

	json_array_foreach(hosts, i, row) {
		fputs(cli_str(row, "address"), f);
		json_array_foreach(json_object_get(row, "names"), k, name)
			fprintf(f, "%c%s", k ? ' ' : '\t',
				json_string_value(name));
		fputc('\n', f);
	}
}

static void print_hosts(const json_t *hosts, FILE *f)
{
	fprintf(f, "%s\n", HOSTS_MARK);
	print_rows(hosts, f);
}

static int write_hosts(const json_t *hosts, const char *path)
{
	struct errtext why = {""};
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int r;

	if (!f)
		return cli_refuse("no memory");
	print_hosts(hosts, f);
	r = fclose(f) ? -ENOMEM
		      : replace_file(path, text, len, HOSTS_MARK, &why);
	free(text);
	return r ? cli_refuse("%s", why.s) : CLI_OK;
}

/* Is it this line, however it ends? */
static bool is_line(const char *line, size_t n, const char *what)
{
	while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	return n == strlen(what) && !memcmp(line, what, n);
}

/* What of @in is not ours, onto @out. 0; -EILSEQ: where our block ends is not to be
 * seen; another negative errno. */
static int copy_others(FILE *in, FILE *out)
{
	bool ours = false;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int r;

	while (errno = 0, (n = getline(&line, &cap, in)) > 0) {
		if (is_line(line, (size_t)n, MERGE_BEGIN)) {
			ours = true;
		} else if (ours && is_line(line, (size_t)n, MERGE_END)) {
			ours = false;
		} else if (!ours) {
			fwrite(line, 1, (size_t)n, out);
			if (line[n - 1] != '\n')
				fputc('\n', out);
		}
	}
	r = feof(in) ? 0 : -(errno ? errno : EIO);
	free(line);
	return !r && ours ? -EILSEQ : r;
}

/* The file as it is to be, malloc'ed. */
static int merged(const json_t *hosts, const char *path, FILE *in, char **text,
		  size_t *len)
{
	FILE *out = open_memstream(text, len);
	bool lost;
	int r;

	if (!out)
		return cli_refuse("no memory");
	r = copy_others(in, out);
	if (json_array_size(hosts)) {
		fprintf(out, "%s\n", MERGE_BEGIN);
		print_rows(hosts, out);
		fprintf(out, "%s\n", MERGE_END);
	}
	lost = ferror(out);
	if (fclose(out) || lost)
		return cli_refuse("no memory");
	if (r == -EILSEQ)
		return cli_refuse("%s: \"%s\" without \"%s\" behind it; put "
				  "that where the names end",
				  path, MERGE_BEGIN, MERGE_END);
	return r ? cli_refuse("%s: %s", path, strerror(-r)) : CLI_OK;
}

/* A FIFO does not make us wait, and a device is no text. */
static FILE *open_text(const char *path, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	FILE *f = NULL;

	if (fd >= 0 && !fstat(fd, st)) {
		if (S_ISREG(st->st_mode))
			f = fdopen(fd, "r");
		else
			errno = EINVAL;
	}
	if (!f && fd >= 0) {
		int err = errno;

		close(fd);
		errno = err;
	}
	return f;
}

/* Among what there is: links are followed, all else in the file stays. */
static int merge_hosts(const json_t *hosts, const char *name)
{
	struct errtext why = {""};
	char path[PATH_MAX], *text = NULL;
	struct stat was;
	size_t len = 0;
	FILE *in = realpath(name, path) ? open_text(path, &was) : NULL;
	int r;

	if (!in)
		return cli_refuse("%s: %s", name,
				  errno == EINVAL ? "it is no regular file"
						  : strerror(errno));
	r = merged(hosts, path, in, &text, &len);
	fclose(in);
	if (!r && replace_edited(path, &was, text, len, &why))
		r = cli_refuse("%s", why.s);
	free(text);
	return r;
}

static int hosts_run(struct cli *c)
{
	const char *net = args_get(&c->args, "network");
	const char *path = args_get(&c->args, "write");
	const char *merge = args_get(&c->args, "merge");
	json_t *p = json_object(), *res;
	int r;

	if (path && merge) {
		json_decref(p);
		return cli_usage(c, "--write or --merge, not both");
	}
	if (net)
		json_object_set_new(p, "network", json_string(net));
	r = cli_call(c, "dns.hosts", p, &res);
	if (r)
		return r;
	if (merge)
		r = merge_hosts(json_object_get(res, "hosts"), merge);
	else if (path)
		r = write_hosts(json_object_get(res, "hosts"), path);
	else if (!cli_json(c, res))
		print_hosts(json_object_get(res, "hosts"), stdout);
	json_decref(res);
	return r;
}

static const struct opt hosts_opts[] = {
	{"network", "NET", "only names of this network"},
	{"write", "FILE", "replace FILE with them, in one step"},
	{"merge", "FILE", "put them into FILE, in place of those of last time"},
	{NULL},
};

const struct cli_cmd cmd_dns[] = {
	{"dns add", "add a record to a network's DNS",
	 {"NET NAME TYPE VALUE [WORD] [WORD] [WORD]"},
	 "The network's resolver answers it at once, and after restarts. NAME "
	 "is in the\nnetwork's domain: www, *.apps (every name beneath), @ (the "
	 "domain itself); with a final\ndot it is any name, answered here "
	 "instead of by the host's resolvers. Targets are named\nlikewise. VMs "
	 "need no records: their names are answered anyway.\n\n"
	 "  A ADDRESS, AAAA ADDRESS           a host, and its reverse name\n"
	 "  CNAME TARGET                      an alias\n"
	 "  TXT TEXT                          a text\n"
	 "  MX PREFERENCE TARGET              where mail goes\n"
	 "  SRV PRIORITY WEIGHT PORT TARGET   where a service is\n\n"
	 "Examples:\n"
	 "  vnet dns add lab printer A 10.0.2.9\n"
	 "  vnet dns add lab www CNAME MyVM\n"
	 "  vnet dns add lab _sip._udp SRV 0 5 5060 MyVM\n"
	 "  vnet dns add lab '*.apps' CNAME ingress\n"
	 "  vnet dns add lab registry.example.com. A 10.0.2.20\n",
	 add_run},
	{"dns del", "remove records of a name",
	 {"NET NAME [TYPE] [VALUE] [WORD] [WORD] [WORD]"},
	 "All of the name, or only those of a type, or the one with this "
	 "value.\n\n"
	 "Examples:\n"
	 "  vnet dns del lab www\n"
	 "  vnet dns del lab printer A 10.0.2.9\n",
	 del_run},
	{"dns list", "the records that were added", {"[NET]"},
	 "Examples:\n"
	 "  vnet dns list\n"
	 "  vnet dns list lab --json\n",
	 list_run},
	{"hosts", "names of VMs for the host, as in hosts(5)",
	 {NULL, NULL, hosts_opts},
	 "One line an address: full names, then the short ones that you gave "
	 "and no other network\nhas. `vnetd --hosts-file FILE` keeps such a file "
	 "up to date.\n\n"
	 "Examples:\n"
	 "  vnet hosts\n"
	 "  sudo vnet hosts --network admin --merge /etc/hosts\n"
	 "      for all programs of the host: the names as they are now\n"
	 "  vnet hosts --write /run/vnet.hosts\n"
	 "      for the host's dnsmasq, with addn-hosts=/run/vnet.hosts\n",
	 hosts_run},
	{NULL},
};
