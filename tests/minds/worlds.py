"""A small world for tests of minds: one NPC a tier, from Polish to Spanish."""

from __future__ import annotations

from typing import Any

from holodeck.messages.conversation import (
    FrictionType,
    KnownFact,
    NPCBriefing,
    RecentTurn,
    RegisterClass,
    Tier,
)
from holodeck.messages.persona import Persona
from holodeck.messages.talk import Character, DueInjection
from holodeck.minds.port import Live, Prompt

_LINES = {
    "default": ["¿Y qué más?", "Cuéntame más.", "Ya veo."],
    "question": ["¿Tú qué crees?", "Buena pregunta."],
    "recast": ["Ah, {form}, claro.", "Sí: {form}."],
    "repeat": ["¿Cómo? ¿Puede repetir?", "Perdone, no le he entendido."],
    "help": ["¿Quiere decir {word}?", "¿{word}, tal vez?"],
    "cold": ["Muy bien.", "De acuerdo."],
    "warm": ["¡Qué alegría oírte!", "¡Me encanta!"],
    "warning": ["Me está incomodando un poco.", "Le ruego que cuide el tono."],
    "collapse": ["Dejémoslo aquí. Buenos días."],
    "farewell": ["Tengo que seguir. Hasta luego."],
    "remember": ["Aún me acuerdo de que {fact}."],
}
WORLD = Persona.model_validate(
    {
        "id": "plaza-test",
        "name": "La plaza",
        "native_language": "pl",
        "target_language": "es",
        "domain": "a square with a café and an office",
        "objective": "get by",
        "vocabulary": [
            {
                "name": "cafe",
                "priority": "critical",
                "items": {"el café": "kawa", "la cuenta": "rachunek", "con leche": "z mlekiem"},
            },
            {"name": "office", "items": {"el contrato": "umowa"}},
        ],
        "lexicon": {"target": "quiero un una por favor", "hedges": ["creo que"]},
        "registers": {"formal": ["le ruego"], "politeness": ["por favor"]},
        "forms": [
            {
                "form": "polite-request",
                "type": "register",
                "right": ["quisiera", "me gustaría *"],
                "wrong": ["dame"],
                "wants": {"quiero un": "quisiera un"},
                "examples": ["Quisiera un café."],
            },
            {
                "form": "gender-cafe",
                "type": "morphosyntactic",
                "right": ["un café"],
                "wants": {"una café": "un café"},
                "examples": ["Un café solo, como siempre."],
            },
        ],
        "npcs": [
            {
                "id": npc,
                "name": name,
                "role": role,
                "tier": tier,
                "personality": "Quick and kind.",
                "register_level": register,
                "openness_enabled": tier == 3,
                "greeting": "¡Buenas! ¿Qué tal?",
                "again": "¡Hola otra vez! Sé que {fact}.",
                "cues": [
                    {
                        "hears": ["café", "kawa"],
                        "says": ["Un café, marchando.", "¿Con leche?"],
                    },
                    {
                        "hears": ["la cuenta"],
                        "says": ["¿Cómo se pide con educación?", "¿Cómo se dice, amablemente?"],
                        "opens": ["polite-request"],
                    },
                ],
                "lines": _LINES,
                "silence": {"encourage": "Tranquilo, con calma."},
            }
            for npc, name, role, tier, register in (
                ("ola", "Ola Nowak", "a friend", 1, "informal"),
                ("marta", "Marta Puig", "a waitress", 2, "neutral"),
                ("soler", "Señor Soler", "head of the office", 3, "formal"),
            )
        ],
        "locations": [{"id": "square", "name": "the square", "npcs": ["ola", "marta", "soler"]}],
        "refractions": [
            {
                "intents": ["chcę kawę", "quiero café"],
                "basic": {"text": "Un café, por favor.", "note": "Always right."},
                "native": {"text": "Ponme un café, anda.", "note": "Among friends."},
                "formal": {"text": "Quisiera un café, si es tan amable."},
                "contrast": "Polish says it with a verb.",
            }
        ],
    }
)
NPCS: dict[Tier, str] = {1: "ola", 2: "marta", 3: "soler"}
DUE = DueInjection(form="polite-request", type=FrictionType.REGISTER, method="Let it be asked for.")
TOLD = NPCBriefing(
    npc_id="marta",
    remembered_facts=(KnownFact(fact="te llamas Ana", confidence=0.9),),
    recent_vector_memories=("Ana spilled the milk.",),
)


def character(tier: Tier = 2) -> Character:
    return Character(npc=NPCS[tier], tier=tier, register_level=RegisterClass.NEUTRAL)


def prompt(
    text: str = "hola", *, turn: int = 1, tier: Tier = 2, live: Live | None = None, **more: Any
) -> Prompt:
    """A turn said to the NPC of that tier."""
    return Prompt(
        intent=f"s.{turn}.mind",
        session=more.pop("session", "s"),
        npc=more.pop("npc", NPCS[tier]),
        learner="ana",
        persona=WORLD.id,
        turn=turn,
        text=text,
        world=WORLD,
        character=character(tier),
        live=live or Live(),
        tier=tier,
        **more,
    )


def npc_said(*texts: str) -> tuple[RecentTurn, ...]:
    """Turns of the NPC, the last one last, with the learner's between them."""
    return tuple(
        turn
        for text in texts
        for turn in (RecentTurn(speaker="npc", text=text), RecentTurn(speaker="learner", text="eh"))
    )
