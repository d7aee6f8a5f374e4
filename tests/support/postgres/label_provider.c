/*
 * A provider of security labels for servers of the tests: "tests" takes every label on every object.
 *
 * PostgreSQL's headers are not on every machine that has its server, so what a module needs of them stands here: the magic
 * block (fmgr.h) as each release lays it out, and one function (commands/seclabel.h). Compiled with -DPG_MAJOR=<release>.
 */

#if PG_MAJOR >= 18
struct magic
{
	int			len;
	int			version;
	int			funcmaxargs;
	int			indexmaxkeys;
	int			namedatalen;
	int			float8byval;
	char		abi_extra[32];
	const char *module_name;
	const char *module_version;
};
#elif PG_MAJOR >= 15
struct magic
{
	int			len;
	int			version;
	int			funcmaxargs;
	int			indexmaxkeys;
	int			namedatalen;
	int			float8byval;
	char		abi_extra[32];
};
#else
struct magic
{
	int			len;
	int			version;
	int			funcmaxargs;
	int			indexmaxkeys;
	int			namedatalen;
	int			float8byval;
};
#endif

static const struct magic magic = {
	.len = sizeof(struct magic),
	.version = PG_MAJOR * 100,
	.funcmaxargs = 100,
	.indexmaxkeys = 32,
	.namedatalen = 64,
	.float8byval = 1,
#if PG_MAJOR >= 15
	.abi_extra = "PostgreSQL",
#endif
};

extern void register_label_provider(const char *provider, void (*check) (const void *object, const char *label));

const struct magic *
Pg_magic_func(void)
{
	return &magic;
}

static void
takes_all(const void *object, const char *label)
{
	(void) object;
	(void) label;
}

void
_PG_init(void)
{
	register_label_provider("tests", takes_all);
}
