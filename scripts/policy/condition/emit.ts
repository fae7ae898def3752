/** Instructions for a checked condition, with the jumps that assembly/policy/instructions.ts describes. */
import * as code from "../../../assembly/policy/instructions.ts";
import type { Instruction } from "../language/condition.ts";
import type { Range } from "./syntax.ts";
import type { Operands, Term } from "./term.ts";

/** Emits a condition. `depth`: the most values it has on the stack at a time. */
export function emit(term: Term): { instructions: Instruction[]; depth: number } {
  const emitter = new Emitter();
  emitter.emit(term);
  return { instructions: emitter.instructions, depth: emitter.most };
}

class Emitter {
  readonly instructions: Instruction[] = [];
  most = 0;
  #depth = 0;

  emit(term: Term): void {
    switch (term.kind) {
      case "constant":
      case "load":
        this.#push(term.op, term, 1, term.operands);
        return;
      case "element":
        this.#push(code.op_element, term, 1);
        return;
      case "list":
        for (const element of term.elements) this.emit(element);
        this.#push(code.op_list, term, 1 - term.elements.length, { a: term.elements.length });
        return;
      case "unary":
        this.emit(term.operand);
        this.#push(term.op, term, 0, term.operands);
        return;
      case "binary":
        this.emit(term.left);
        this.emit(term.right);
        this.#push(term.op, term, -1, term.operands);
        return;
      case "logic":
        this.#logic(term);
        return;
      case "choose":
        this.#choose(term);
        return;
      case "loop":
        this.#loop(term);
    }
  }

  #logic({ op, operands, ends, start }: Term & { kind: "logic" }): void {
    const [jump, combine] = op === "&&" ? [code.op_jump_if_false, code.op_and] : [code.op_jump_if_true, code.op_or];
    const jumps: Instruction[] = [];
    for (const [index, operand] of operands.entries()) {
      // Each step computes the operation so far.
      if (index > 0) jumps.push(this.#push(jump, { start, end: ends[index - 1]! }, 0));
      this.emit(operand);
      if (index > 0) this.#push(combine, { start, end: ends[index]! }, -1);
    }
    for (const one of jumps) one.a = this.instructions.length;
  }

  #choose(term: Term & { kind: "choose" }): void {
    this.emit(term.condition);
    const choose = this.#push(code.op_choose, term.condition, -1);
    this.emit(term.yes);
    const jump = this.#push(code.op_jump, term, -1);
    choose.a = this.instructions.length;
    this.emit(term.no);
    choose.b = this.instructions.length;
    jump.a = this.instructions.length;
  }

  #loop(term: Term & { kind: "loop" }): void {
    this.emit(term.range);
    const kind = term.name === "all" ? code.loop_all : code.loop_exists;
    const loop = this.#push(code.op_loop, term, -1, { b: kind });
    const first = this.instructions.length;
    this.emit(term.body);
    this.#push(code.op_next, term, 0, { a: first });
    loop.a = this.instructions.length;
  }

  /** @param grows by how many values the stack grows where the code goes on */
  #push(op: number, { start, end }: Range, grows: number, operands: Operands = {}): Instruction {
    const instruction: Instruction = { op, ...operands, start, end };
    this.instructions.push(instruction);
    this.#depth += grows;
    this.most = Math.max(this.most, this.#depth);
    return instruction;
  }
}
