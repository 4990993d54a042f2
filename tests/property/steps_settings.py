"""Steps that change settings."""

from grammar import deliver, quote, single, step
from values import CUSTOM, ODD_TEXTS, OTHERS, REPORTED, ROLES, SEARCH_PATHS, TENANTS

FORMS = ("set {name} = {value}", "set {name} to {value}", "set session {name} = {value}",
         "SET  {name}\tTO {value} -- why not")


def setting(rng, scene):
    """(name, value as SET takes it). Inside of a block a tame client keeps to reported ones."""
    if scene.tame and scene.block or rng.random() < 0.35:
        table = REPORTED
    elif rng.random() < 0.3:
        return "search_path", rng.choice(SEARCH_PATHS)
    else:
        table = OTHERS
    name = rng.choice(tuple(table))
    return rng.choice((name, name.upper())), rng.choice(table[name])


def custom_value(rng, name):
    if name == "app.tenant" and rng.random() < 0.7:
        return rng.choice(TENANTS)
    return rng.choice(ODD_TEXTS)


def literal(rng, text):
    """A string constant; with backslashes in it, in one of two spellings."""
    if "\\" in text and rng.random() < 0.5:
        return "E" + quote(text.replace("\\", "\\\\"))
    return quote(text)


@step("set", 6, tame=True)
def make_set(rng, scene):
    name, value = setting(rng, scene)
    return [(single(rng, rng.choice(FORMS).format(name=name, value=value)),)]


@step("set_several", 2, tame=True)
def make_set_several(rng, scene):
    """What frameworks send when they start."""
    chosen = [setting(rng, scene) for _ in range(rng.randint(2, 5))]
    return deliver(rng, [rng.choice(FORMS[:3]).format(name=n, value=v) for n, v in chosen])


@step("set_odd_name", 1, tame=True)
def make_set_odd(rng, scene):
    value = rng.choice(ODD_TEXTS)
    return [(single(rng, f"set application_name = {literal(rng, value)}"),)]


@step("reset", 4, tame=True)
def make_reset(rng, scene):
    name, _ = setting(rng, scene)
    form = rng.choice(("reset {}", "set {} to default", "set {} = default", "RESET {}"))
    return [(single(rng, form.format(name)),)]


@step("reset_all", 1.5, tame=True)
def make_reset_all(rng, scene):
    return [(single(rng, "reset all"),)]


@step("set_local", 3, where="block", tame=True)
def make_set_local(rng, scene):
    name, value = setting(rng, scene)
    return [(single(rng, f"set local {name} = {value}"),)]


@step("set_local_idle", 0.5, where="idle", tame=True)
def make_set_local_idle(rng, scene):
    """A warning, and nothing else."""
    name, value = setting(rng, scene)
    return [(single(rng, f"set local {name} = {value}"),)]


@step("time_zone", 2, tame=True)
def make_time_zone(rng, scene):
    value = rng.choice(("'Europe/Rome'", "local", "default", "-7", "interval '+02:00' hour to minute",
                        "'PST8PDT'", "'no/where'"))
    word = "" if scene.tame or not scene.block else rng.choice(("", "local ", "session "))
    return [(single(rng, f"set {word}time zone {value}"),)]


@step("names", 1, tame=True)
def make_names(rng, scene):
    value = rng.choice(("'LATIN1'", "'UTF8'", "default", "'SQL_ASCII'", "", "'nonsense'"))
    return [(single(rng, f"set names {value}"),)]


@step("characteristics", 2, tame=True)
def make_characteristics(rng, scene):
    mode = rng.choice(("isolation level repeatable read", "isolation level serializable",
                       "isolation level read committed", "read only", "read write", "deferrable",
                       "read write, isolation level read committed, not deferrable"))
    return [(single(rng, f"set session characteristics as transaction {mode}"),)]


@step("set_config", 3)
def make_set_config(rng, scene):
    if rng.random() < 0.5:
        name = rng.choice(CUSTOM)
        value = literal(rng, custom_value(rng, name))
    else:
        name, value = setting(rng, scene)
        value = value if value.startswith("'") else quote(value)
    local = rng.choice(("true", "false", "false", "'f'", "1 = 0"))
    names = rng.choice((quote(name), quote(name[:2]) + " || " + quote(name[2:])))
    return [(single(rng, f"select set_config({names}, {value}, {local})"),)]


@step("set_config_params", 2)
def make_set_config_params(rng, scene):
    name = rng.choice((*CUSTOM, "work_mem", "search_path", "application_name", "TimeZone"))
    value = {"work_mem": "12MB", "search_path": "s2, public", "TimeZone": "Asia/Seoul"}.get(
        name, custom_value(rng, name))
    return [(("params", "select set_config($1, $2, $3)", (name, value, rng.choice("tf"))),)]


@step("set_config_rows", 1)
def make_set_config_rows(rng, scene):
    return [(single(
        rng, "select set_config(n, v, l) from (values ('app.user_id', 'u1', false), "
        "('work_mem', '13MB', false), ('app.tenant', 't4', true), ('enable_sort', 'off', false)) "
        "x(n, v, l)" + rng.choice(("", " where l", " where not l", " limit 2"))),)]


@step("update_pg_settings", 0.7)
def make_update_pg_settings(rng, scene):
    return [(single(rng, "update pg_settings set setting = '7777' where name = 'work_mem'"),)]


@step("custom", 4)
def make_custom(rng, scene):
    name = rng.choice(CUSTOM)
    name = rng.choice((name, name, name.upper()))
    value = literal(rng, custom_value(rng, name.lower()))
    word = rng.choice(("", "", "local ", "session "))
    return [(single(rng, f"set {word}{name} = {value}"),)]


@step("custom_reset", 1)
def make_custom_reset(rng, scene):
    name = rng.choice(sorted(scene.touched) or ["app.tenant"])
    return [(single(rng, rng.choice(("reset {}", "set {} to default")).format(name)),)]


@step("custom_show", 1.5, tame=True)
def make_custom_show(rng, scene):
    """Only of those the client has used: the others differ by a placeholder."""
    if not scene.touched:
        return []
    name = rng.choice(sorted(scene.touched))
    return [(single(rng, rng.choice((
        "select nullif(current_setting('{}', true), '')", "show {}")).format(name)),)]


@step("role", 2.5)
def make_role(rng, scene):
    role = rng.choice(ROLES)
    form = rng.choice(("set role {}", "set role {}", "set local role {}", "reset role",
                       "set session role {}"))
    return [(single(rng, form.format(role)),)]


@step("session_authorization", 1.5)
def make_session_authorization(rng, scene):
    role = rng.choice(("app", "victim", "boss", "no_such_role"))
    form = rng.choice(("set session authorization {}", "set session authorization default",
                       "reset session authorization", "set local session authorization {}",
                       "set session authorization {}"))
    return [(single(rng, form.format(role)),)]


@step("show", 2, tame=True)
def make_show(rng, scene):
    name, _ = setting(rng, scene)
    return [(single(rng, rng.choice(("show {}", "select current_setting('{}')")).format(name)),)]
