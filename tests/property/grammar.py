"""The steps a client may take: a registry of makers, and how statements are sent. A maker gets a
source of randomness and the scene (what the client knows about itself) and returns groups of
operations; each group is a step, and other clients' steps come in between."""

from dataclasses import dataclass, field

MAKERS = {}


@dataclass
class Maker:
    name: str
    weight: float
    where: str  # "any", "idle" (outside of a transaction), "block" (inside)
    tame: bool  # needs no server of its own: also for the clients that share all they can
    make: callable


@dataclass
class Scene:
    """What a maker may know."""
    client: int
    clients: int
    user: str
    tame: bool
    block: bool = False
    prepared: set = field(default_factory=set)   # names of the protocol or of SQL
    touched: set = field(default_factory=set)    # custom settings used since the client came
    channels: set = field(default_factory=set)


def step(name, weight=1.0, where="any", tame=False):
    def register(make):
        assert name not in MAKERS, name
        MAKERS[name] = Maker(name, weight, where, tame, make)
        return make
    return register


def choose(rng, scene):
    """(name, groups) of a step that fits the scene."""
    place = "block" if scene.block else "idle"
    fitting = [maker for maker in MAKERS.values()
               if maker.where in ("any", place) and (maker.tame or not scene.tame)]
    maker = rng.choices(fitting, [maker.weight for maker in fitting])[0]
    return maker.name, maker.make(rng, scene)


def quote(text):
    return "'" + text.replace("'", "''") + "'"


def identifier(text):
    return '"' + text.replace('"', '""') + '"'


def single(rng, sql):
    """One statement, by one of the protocols."""
    if rng.random() < 0.6:
        return ("query", sql)
    return ("params", sql, ())


def deliver(rng, statements):
    """Several statements: one by one, in one string, or in a pipeline."""
    how = rng.choice(("one by one", "one by one", "string", "pipeline", "syncs"))
    if how == "one by one" or len(statements) == 1:
        return [(single(rng, sql),) for sql in statements]
    if how == "string":
        return [(("query", "; ".join(statements)),)]
    operations = []
    for sql in statements:
        operations.append(("params", sql, ()))
        if how == "syncs":
            operations.append(("sync",))
    return [(("pipeline", tuple(operations)),)]
