"""Writes a llama model of random weights as GGUF: real arithmetic and a real tokenizer for tests, words without sense.

Usage: tiny_model.py FILE. The same weights each time. The vocabulary has all bytes, so any text can be read, and some
English words, whose rows of the output matrix are larger than all others: what is generated is nearly all words.
"""
import sys

import gguf
import numpy

HIDDEN, LAYERS, HEADS, FEED_FORWARD, CONTEXT = 256, 4, 4, 512, 8192
WORDS = """the of and to in is that for it as was with be by on not he his but at are this have from which one had they all their
there been many may its who will more no if out so up what about than into them can only other time new some could these two first then do
any like my now over such our man me even most made after also well must before must through years where much your way down should because
long each just state those people too mr how little good world make very year still see own work men day get here old life both between being
under three never know same last another while us might great go come since against right came take used himself few house use during without
again place around however home small found mrs thought went say part once general high upon school every does got united left number course""".split()
# Special tokens; the last two end an answer.
SPECIAL = ["<|start|>", "<|end|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% if not loop.last or m.role != 'assistant' %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_characters() -> list[str]:
    """GPT-2's printable stand-in for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    shown = {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    return [shown[byte] for byte in range(256)]


def main(path: str) -> None:
    letters = byte_characters()
    # A word grows from its space, a letter at a time: what was generated is read back as the same tokens.
    words = [letters[32] + word for word in dict.fromkeys(WORDS)]
    grown = sorted({word[:size] for word in words for size in range(2, len(word) + 1)}, key=lambda part: (len(part), part))
    merges = [f"{part[:-1]} {part[-1]}" for part in grown]
    tokens = [*letters, *grown, *SPECIAL]
    kinds = [gguf.TokenType.NORMAL] * (len(tokens) - len(SPECIAL)) + [gguf.TokenType.CONTROL] * len(SPECIAL)

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny random llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(tokens.index("<|start|>"))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)

    random = numpy.random.default_rng(1)

    def matrix(name: str, rows: int, columns: int, scale: float) -> None:
        writer.add_tensor(name, (random.standard_normal((rows, columns)) * scale).astype(numpy.float32))

    def ones(name: str) -> None:
        writer.add_tensor(name, numpy.ones(HIDDEN, dtype=numpy.float32))

    matrix("token_embd.weight", len(tokens), HIDDEN, 1.0)
    for layer in range(LAYERS):
        ones(f"blk.{layer}.attn_norm.weight")
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(f"blk.{layer}.{name}.weight", HIDDEN, HIDDEN, HIDDEN**-0.5)
        ones(f"blk.{layer}.ffn_norm.weight")
        matrix(f"blk.{layer}.ffn_gate.weight", FEED_FORWARD, HIDDEN, HIDDEN**-0.5)
        matrix(f"blk.{layer}.ffn_up.weight", FEED_FORWARD, HIDDEN, HIDDEN**-0.5)
        matrix(f"blk.{layer}.ffn_down.weight", HIDDEN, FEED_FORWARD, FEED_FORWARD**-0.5)
    ones("output_norm.weight")
    output = random.standard_normal((len(tokens), HIDDEN)).astype(numpy.float32) * 0.02
    output[[tokens.index(word) for word in words]] *= 15
    writer.add_tensor("output.weight", output)

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main(sys.argv[1])
