"""What LaTeX commands, characters and words mean to the scanner: tables."""

from __future__ import annotations

GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi "
    "omicron pi varpi rho sigma varsigma tau upsilon phi varphi chi psi omega "
    "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar"
).split()

#: Functions with a command or a plain name of their own, by the name `meaning` knows them by.
FUNCTIONS = {
    **{
        name: name
        for name in (
            "exp log tanh sinh cosh sech coth sin cos tan arctan arcsin arccos arsinh arcsinh "
            "arctanh artanh erf erfc sign sgn max min sqrt abs log1p expm1"
        ).split()
    },
    "ln": "log",
    "tanhh": "tanh",
    "th": "tanh",
    "sh": "sinh",
    "ch": "cosh",
    "tg": "tan",
    "arctg": "arctan",
    "atan": "arctan",
    "asinh": "arcsinh",
    "atanh": "arctanh",
    "sup": "max",
    "maximum": "max",
    "minimum": "min",
}

#: Commands and characters by kind: REL relations, WORD words that split a statement.
COMMANDS: dict[str, tuple[str, str]] = {
    **{name: ("NAME", name) for name in GREEK},
    **{name: ("NAME", value) for name, value in FUNCTIONS.items()},
    "frac": ("FRAC", ""), "dfrac": ("FRAC", ""), "tfrac": ("FRAC", ""), "cfrac": ("FRAC", ""),
    "sqrt": ("SQRT", ""), "sum": ("SUM", "sum"), "nabla": ("NABLA", ""),
    "partial": ("NAME", "∂"), "infty": ("NAME", "oo"),
    "cdot": ("STAR", ""), "times": ("STAR", ""), "ast": ("STAR", ""), "odot": ("STAR", ""),
    "otimes": ("STAR", ""), "circ": ("STAR", ""), "bullet": ("STAR", ""), "star": ("STAR", ""),
    "div": ("SLASH", ""), "pm": ("PM", ""), "mp": ("PM", ""),
    "le": ("REL", "<="), "leq": ("REL", "<="), "leqslant": ("REL", "<="), "lt": ("REL", "<"),
    "ge": ("REL", ">="), "geq": ("REL", ">="), "geqslant": ("REL", ">="), "gt": ("REL", ">"),
    "ne": ("REL", "!="), "neq": ("REL", "!="), "equiv": ("REL", "="), "triangleq": ("REL", "="),
    "coloneqq": ("REL", "="), "doteq": ("REL", "="), "approx": ("REL", "~"), "simeq": ("REL", "~"),
    "approxeq": ("REL", "~"), "in": ("REL", "in"), "sim": ("REL", "law"),
    "to": ("REL", "->"), "rightarrow": ("REL", "->"), "longrightarrow": ("REL", "->"),
    "Rightarrow": ("REL", "=>"), "implies": ("REL", "=>"), "iff": ("REL", "=>"),
    "Leftrightarrow": ("REL", "=>"), "mapsto": ("REL", "|->"),
    "lim": ("LIM", ""), "prime": ("PRIME", "'"), "colon": ("COLON", ":"),
    "lvert": ("OPENBAR", "|"), "rvert": ("CLOSEBAR", "|"), "vert": ("BAR", "|"), "mid": ("MID", "|"),
    "ldots": ("DOTS", ""), "dots": ("DOTS", ""), "cdots": ("DOTS", ""), "dotsc": ("DOTS", ""),
    "forall": ("WORD", "for"), "land": ("WORD", "and"), "wedge": ("WORD", "and"),
    "lor": ("WORD", "or"), "quad": ("QUAD", ""), "qquad": ("QUAD", ""),
    "top": ("NAME", "⊤"), "intercal": ("NAME", "⊤"), "cup": ("CUP", ""), "emptyset": ("SET", "{}"),
    "lbrace": ("SETOPEN", "{"), "rbrace": ("SETCLOSE", "}"), "lbrack": ("OPEN", "["),
    "rbrack": ("CLOSE", "]"), "{": ("SETOPEN", "{"), "}": ("SETCLOSE", "}"), "|": ("BAR", "|"),
    "lfloor": ("BAD", "floor"), "rfloor": ("BAD", "floor"), "int": ("BAD", "an integral"),
    "prod": ("BAD", "a product over an index"), "iint": ("BAD", "an integral"),
}  # fmt: skip

#: Commands that say nothing about the value.
IGNORED = frozenset(
    "left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr displaystyle "
    "textstyle scriptstyle limits nolimits nonumber notag , : ; ! > - / @ noindent centering "
    "hfill hline boldmath allowbreak protect ensuremath middle vphantom strut small".split()
)

#: Commands whose argument is skipped with them.
SKIPPED = frozenset(
    "label tag ref eqref cite hspace vspace color phantom hphantom footnote".split()
)

#: Marks that make another name of a letter.
ACCENTS = frozenset("overline hat bar tilde widehat widetilde dot ddot check breve".split())

#: Fonts: the argument is read as a name or a word if it is text, else as mathematics.
FONTS = frozenset(
    "text textup mathrm operatorname mathbf mathit mathsf mathtt textrm textbf textit texttt textsf mbox "
    "hbox boldsymbol bm bf rm it mathcal mathnormal textnormal emph underline "
    "vec mathop mathfrak operatornamewithlimits DeclareMathOperator".split()
)

ENVIRONMENTS = frozenset("cases dcases rcases cases* dcases* array numcases matrix Bmatrix".split())
LAYERS = frozenset(
    "aligned align align* alignat alignat* gather gather* gathered split equation equation* eqnarray eqnarray* multline multline* math "
    "displaymath subequations flalign".split()
)

WORDS = {
    **dict.fromkeys(("if", "when", "for", "where", "with", "while", "whenever", "as"), ""),
    "otherwise": "otherwise", "else": "otherwise", "elsewhere": "otherwise", "and": "and", "or": "or",
    "if x": "if", "for all": "for", "iff": "if", "such that": "where", "s.t.": "where",
    "respectively": "and",
}  # fmt: skip

CHARACTERS: dict[str, tuple[str, str]] = {
    "+": ("PLUS", "+"), "-": ("MINUS", "-"), "−": ("MINUS", "-"), "–": ("MINUS", "-"),
    "*": ("STAR", ""), "·": ("STAR", ""), "×": ("STAR", ""), "⋅": ("STAR", ""), "⊗": ("STAR", ""),
    "⊙": ("STAR", ""), "∙": ("STAR", ""), "∗": ("STAR", ""), "/": ("SLASH", ""), "÷": ("SLASH", ""),
    "^": ("CARET", ""), "_": ("UNDER", ""), "'": ("PRIME", "'"), "′": ("PRIME", "'"),
    "’": ("PRIME", "'"), "″": ("PRIME", "''"), "{": ("LB", ""), "}": ("RB", ""),
    "(": ("OPEN", "("), ")": ("CLOSE", ")"), "[": ("OPEN", "["), "]": ("CLOSE", "]"),
    "|": ("BAR", "|"), ",": ("COMMA", ","), ";": ("SEMI", ";"), ":": ("COLON", ":"),
    "=": ("REL", "="), "<": ("REL", "<"), ">": ("REL", ">"), "≤": ("REL", "<="),
    "⩽": ("REL", "<="), "≥": ("REL", ">="), "⩾": ("REL", ">="), "≠": ("REL", "!="),
    "≈": ("REL", "~"), "≃": ("REL", "~"), "∈": ("REL", "in"), "→": ("REL", "->"),
    "⟶": ("REL", "->"), "⇒": ("REL", "=>"), "≡": ("REL", "="), "≜": ("REL", "="),
    "∞": ("NAME", "oo"), "∂": ("NAME", "∂"), "√": ("ROOT", ""), "∑": ("SUM", "sum"), "Σ": ("SUM", "sum"),
    "ℝ": ("SET", "R"), "&": ("AMP", "&"), "~": ("SPACE", ""), "…": ("DOTS", ""), "∇": ("NABLA", ""),
    "½": ("NUM", "0.5"), "²": ("POWER", "2"), "³": ("POWER", "3"), "⁺": ("POWER", "+"),
    "ˣ": ("POWER", "x"), "¹": ("POWER", "1"), "⁻": ("POWER", "-"), "∧": ("WORD", "and"), "∨": ("WORD", "or"),
    "$": ("SPACE", ""), "!": ("BANG", "!"),
}  # fmt: skip

_GREEK_LETTERS = dict(
    zip("αβγδεζηθικλμνξοπρστυφχψωΓΔΘΛΞΠΥΦΨΩϕℓ", (
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho "
        "sigma tau upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Upsilon Phi Psi Omega "
        "phi ell"
    ).split())
)  # fmt: skip
CHARACTERS |= {char: ("NAME", name) for char, name in _GREEK_LETTERS.items()}
