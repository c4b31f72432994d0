// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading a command line by declaration. See args.h. */
#include "cli/args.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/inet.h"

/* ---- words in a list ---------------------------------------------------- */

/* One of the words in "NET [ADDR]" or "on|off". */
struct word {
	const char *s;
	size_t len;
	bool optional;
};

static bool next_word(const char **list, char sep, struct word *w)
{
	const char *p = *list;

	if (!p || !*p)
		return false;
	w->s = p;
	w->len = strcspn(p, (char[]){sep, '\0'});
	*list = p + w->len + (p[w->len] == sep);
	w->optional = w->len >= 2 && *w->s == '[';
	if (w->optional) {
		w->s++;
		w->len -= 2;
	}
	return true;
}

static bool word_is(const struct word *w, const char *s)
{
	return strlen(s) == w->len && memcmp(w->s, s, w->len) == 0;
}

static bool is_choice(const struct word *w)
{
	bool bar = false;

	for (size_t i = 0; i < w->len; i++) {
		if (w->s[i] != '|' && (w->s[i] < 'a' || w->s[i] > 'z'))
			return false;
		bar |= w->s[i] == '|';
	}
	return bar;
}

/* "a|b|c" as "a, b or c". */
static char *list_choices(const char *choices, char *out, size_t cap)
{
	struct word w, ahead;
	size_t at = 0;

	out[0] = '\0';
	for (bool first = true; next_word(&choices, '|', &w); first = false) {
		const char *rest = choices;
		const char *sep = first			       ? ""
				  : next_word(&rest, '|', &ahead) ? ", "
								  : " or ";
		int n = snprintf(out + at, cap - at, "%s%.*s", sep, (int)w.len,
				 w.s);

		if (n < 0 || (size_t)n >= cap - at)
			break;
		at += (size_t)n;
	}
	return out;
}

/* ---- nearest ------------------------------------------------------------ */

#define NEAR_MAX 32 /* longer words have no neighbours */

static size_t min3(size_t a, size_t b, size_t c)
{
	return min_sz(a, min_sz(b, c));
}

/* Edit distance, two letters swapped counting as one edit (optimal string
 * alignment). Both words shorter than NEAR_MAX. */
static size_t distance(const char *a, const char *b)
{
	size_t d[NEAR_MAX][NEAR_MAX], la = strlen(a), lb = strlen(b);

	for (size_t i = 0; i <= la; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		for (size_t j = 1; j <= lb; j++) {
			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1,
				       d[i - 1][j - 1] +
					       (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				d[i][j] = min_sz(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[la][lb];
}

/* How far @c is from what was typed, when that is near enough for @c to have
 * been meant; SIZE_MAX when it is not. */
static size_t nearness(const char *word, const char *c)
{
	size_t lw = strlen(word), lc = strlen(c), d;

	if (lw >= NEAR_MAX || lc >= NEAR_MAX)
		return SIZE_MAX;
	d = distance(word, c);
	return d <= 1 + lw / 3 && 2 * d < max_sz(lw, lc) ? d : SIZE_MAX;
}

const char *args_nearest(const char *word, const char *(*next)(void *arg),
			 void *arg)
{
	size_t best = SIZE_MAX;
	const char *c, *found = NULL;

	while ((c = next(arg))) {
		size_t d = nearness(word, c);

		if (d < best) {
			best = d;
			found = c;
		}
	}
	return found;
}

struct opt_walk {
	const struct opt *table[2];
	size_t which;
};

static const char *next_opt_name(void *arg)
{
	struct opt_walk *w = arg;

	for (; w->which < 2; w->which++) {
		const struct opt *o = w->table[w->which];

		if (o && o->name) {
			w->table[w->which]++;
			return o->name;
		}
	}
	return NULL;
}

/* ---- values ------------------------------------------------------------- */

int args_number(const char *s, long min, long max, long *out)
{
	char *end;
	long v;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	v = strtol(s, &end, 10);
	if (*end || errno || v < min || v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

static bool choice_has(const char *choices, const char *s)
{
	struct word w;

	while (next_word(&choices, '|', &w))
		if (word_is(&w, s))
			return true;
	return false;
}

/* The choice that @s was probably meant to be, into @near; "" if none. */
static void nearest_choice(const char *choices, const char *s,
			   char near[NEAR_MAX])
{
	size_t best = SIZE_MAX;
	struct word w;

	near[0] = '\0';
	while (next_word(&choices, '|', &w)) {
		char c[NEAR_MAX];
		size_t d;

		snprintf(c, sizeof(c), "%.*s", (int)w.len, w.s);
		d = nearness(s, c);
		if (d < best) {
			best = d;
			memcpy(near, c, sizeof(c));
		}
	}
}

static int check_choice(const char *what, const char *choices, const char *s,
			struct errtext *why)
{
	char text[160], near[NEAR_MAX];

	if (choice_has(choices, s))
		return 0;
	nearest_choice(choices, s, near);
	list_choices(choices, text, sizeof(text));
	return errtext_set(why, -EINVAL, "%s \"%s\": must be %s%s%s%s", what, s,
			   text, *near ? " (did you mean " : "", near,
			   *near ? "?)" : "");
}

static int check_value(const struct opt *o, const char *s, struct errtext *why)
{
	struct ipaddr ip;
	struct ip4_net net;
	struct mac mac;
	char what[48];
	long n;

	snprintf(what, sizeof(what), "--%s", o->name);
	switch (o->kind) {
	case OPT_TEXT:
		return *s ? 0 : errtext_set(why, -EINVAL, "%s is empty", what);
	case OPT_CHOICE:
		return check_choice(what, o->arg, s, why);
	case OPT_INT:
		return !args_number(s, o->min, o->max, &n)
			       ? 0
			       : errtext_set(why, -EINVAL,
					     "%s \"%s\": must be a number from "
					     "%ld to %ld", what, s, o->min,
					     o->max);
	case OPT_MAC:
		return !mac_parse(s, &mac)
			       ? 0
			       : errtext_set(why, -EINVAL,
					     "%s \"%s\": must be a MAC address "
					     "like 52:54:00:12:34:56", what, s);
	case OPT_IP:
		return !ipaddr_parse(s, &ip)
			       ? 0
			       : errtext_set(why, -EINVAL,
					     "%s \"%s\": must be an address "
					     "like 10.0.2.50", what, s);
	case OPT_NET:
		if (!ip4_net_parse(s, &net, NULL))
			return 0;
		return errtext_set(why, -EINVAL,
				   "%s \"%s\": must be a network like "
				   "10.0.5.0/24 (no bits set behind the "
				   "prefix)", what, s);
	}
	return 0;
}

/* ---- parsing ------------------------------------------------------------ */

static const struct opt *find_opt(const struct opt *table, const char *name,
				  size_t len, size_t *index)
{
	for (size_t i = 0; table && table[i].name; i++) {
		if (strlen(table[i].name) == len &&
		    memcmp(table[i].name, name, len) == 0) {
			*index = i;
			return &table[i];
		}
	}
	return NULL;
}

/* The option's declaration and where its value goes. */
static const struct opt *lookup(struct args *a, const char *name, size_t len,
				const char ***val)
{
	const struct opt *o;
	size_t i = 0;

	o = find_opt(a->spec->opts, name, len, &i);
	if (o) {
		*val = &a->val[i];
		return o;
	}
	o = find_opt(a->globals, name, len, &i);
	if (o)
		*val = &a->gval[i];
	return o;
}

static int unknown_option(const struct args *a, const char *s,
			  struct errtext *why)
{
	struct opt_walk w = {{a->spec->opts, a->globals}, 0};
	char name[NEAR_MAX] = "";
	const char *near;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(s, "="), s);
	near = strncmp(s, "--", 2) ? NULL
				   : args_nearest(name + 2, next_opt_name, &w);
	return errtext_set(why, -EINVAL, "unknown option %s%s%s%s", name,
			   near ? "; did you mean --" : "", near ? near : "",
			   near ? "?" : "");
}

static const char *long_form(const char *s)
{
	if (!strcmp(s, "-h"))
		return "--help";
	if (!strcmp(s, "-V"))
		return "--version";
	return s;
}

/* One option at argv[*i]; moves *i over its value. */
static int parse_option(struct args *a, int argc, char **argv, int *i,
			struct errtext *why)
{
	const char *s = long_form(argv[*i]);
	const char *eq = strchr(s, '=');
	const struct opt *o = NULL;
	const char **val = NULL, *v;

	if (!strncmp(s, "--", 2))
		o = lookup(a, s + 2, eq ? (size_t)(eq - s - 2) : strlen(s + 2),
			   &val);
	if (!o)
		return unknown_option(a, s, why);
	if (*val)
		return errtext_set(why, -EINVAL, "--%s is given twice",
				   o->name);
	if (!o->arg) {
		*val = "";
		return !eq ? 0
			   : errtext_set(why, -EINVAL, "--%s takes no value",
					 o->name);
	}
	v = eq ? eq + 1 : *i + 1 < argc ? argv[*i + 1] : NULL;
	if (!v || (!eq && v[0] == '-' && v[1]))
		return errtext_set(why, -EINVAL, "--%s needs a value: --%s %s",
				   o->name, o->name, o->arg);
	*i += !eq;
	*val = v;
	return check_value(o, v, why);
}

static bool pos_word(const struct arg_spec *spec, size_t index, struct word *w)
{
	const char *list = spec->pos;

	for (size_t n = 0; next_word(&list, ' ', w); n++)
		if (n == index)
			return true;
	return false;
}

static int add_pos(struct args *a, const char *s, struct errtext *why)
{
	char choices[96];
	struct word w;

	if (a->npos == ARGS_POS_MAX || !pos_word(a->spec, a->npos, &w))
		return errtext_set(why, -EINVAL, "unexpected word \"%s\"", s);
	a->pos[a->npos++] = s;
	if (!*s)
		return errtext_set(why, -EINVAL, "%.*s is empty", (int)w.len,
				   w.s);
	if (!is_choice(&w))
		return 0;
	snprintf(choices, sizeof(choices), "%.*s", (int)w.len, w.s);
	return check_choice("word", choices, s, why);
}

int args_parse(struct args *a, const struct arg_spec *spec,
	       const struct opt *globals, int argc, char **argv,
	       struct errtext *why)
{
	struct word w;
	bool words = false; /* "--" was seen: no more options */

	*a = (struct args){.spec = spec, .globals = globals};
	for (int i = 0; i < argc; i++) {
		const char *s = argv[i];
		int r = 0;

		if (!words && !strcmp(s, "--")) {
			words = true;
			if (!spec->tail)
				continue;
			i++;
		} else if (!words && s[0] == '-' && s[1]) {
			r = parse_option(a, argc, argv, &i, why);
			if (r)
				return r;
			continue;
		}
		if (spec->tail && (words || !pos_word(spec, a->npos, &w))) {
			a->tail = argv + i;
			a->ntail = (size_t)(argc - i);
			return 0;
		}
		r = add_pos(a, s, why);
		if (r)
			return r;
	}
	return 0;
}

int args_check(const struct args *a, struct errtext *why)
{
	char text[160];
	struct word w;

	if (pos_word(a->spec, a->npos, &w) && !w.optional) {
		snprintf(text, sizeof(text), "%.*s", (int)w.len, w.s);
		if (!is_choice(&w))
			return errtext_set(why, -EINVAL, "%s is missing", text);
		return errtext_set(why, -EINVAL, "say %s",
				   list_choices(text, (char[96]){0}, 96));
	}
	for (size_t i = 0; a->spec->opts && a->spec->opts[i].name; i++) {
		const struct opt *o = &a->spec->opts[i];

		if (!o->need || a->val[i])
			continue;
		return errtext_set(why, -EINVAL, "--%s is missing: say --%s %s",
				   o->name, o->name, o->arg);
	}
	if (a->spec->tail && !a->ntail && a->spec->tail[0] != '[')
		return errtext_set(why, -EINVAL, "%s is missing%s",
				   a->spec->tail,
				   a->spec->words ? ""
						  : ": what is to be run? Put "
						    "it after --");
	return 0;
}

/* ---- queries ------------------------------------------------------------ */

const char *args_get(const struct args *a, const char *name)
{
	const char **val = NULL;

	return lookup((struct args *)a, name, strlen(name), &val) ? *val : NULL;
}

bool args_flag(const struct args *a, const char *name)
{
	return args_get(a, name) != NULL;
}

long args_int(const struct args *a, const char *name, long absent)
{
	const char *s = args_get(a, name);

	return s ? strtol(s, NULL, 10) : absent;
}

const char *args_pos(const struct args *a, size_t i)
{
	return i < a->npos ? a->pos[i] : NULL;
}

static void append(char *out, size_t cap, const char *fmt, const char *a,
		   const char *b)
{
	size_t at = strlen(out);

	snprintf(out + at, cap - at, fmt, a, b);
}

char *args_usage(const struct arg_spec *spec, char *out, size_t cap)
{
	bool more = false;

	out[0] = '\0';
	if (spec->pos)
		append(out, cap, " %s%s", spec->pos, "");
	for (const struct opt *o = spec->opts; o && o->name; o++) {
		if (o->need)
			append(out, cap, " --%s %s", o->name, o->arg);
		else
			more = true;
	}
	if (more)
		append(out, cap, " %s%s", "[options]", "");
	if (spec->tail)
		append(out, cap, spec->words ? " %s%s" : " -- %s%s",
		       spec->tail, "");
	return out;
}
