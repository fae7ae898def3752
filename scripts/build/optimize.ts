/**
 * A second pass of the compiler's optimizer over what asc has made. asc inlines no large functions; those with one caller are inlined here,
 * which makes the engine about a hundredth smaller, and no slower.
 */
import binaryen from "assemblyscript/binaryen";

const { Features } = binaryen;
/** What asconfig.json enables, and what asc does by itself. */
const features =
  Features.BulkMemory |
  Features.BulkMemoryOpt |
  Features.SignExt |
  Features.SIMD128 |
  Features.MutableGlobals |
  Features.NontrappingFPToInt;

/** Functions up to these sizes are inlined: always, where it is cheap, and where there is one caller. They are Binaryen's defaults (src/pass.h). */
const small_bytes = 2;
const middling_bytes = 20;
const any_size = -1;

/** A module in both forms. */
export interface Optimized {
  bytes: Uint8Array;
  text: string;
}

/** Optimizes a module, given as text so that its functions keep their names. Throws where the text is none. */
export function optimizeAgain(text: string): Optimized {
  const module = binaryen.parseText(text);
  try {
    module.setFeatures(features);
    binaryen.setOptimizeLevel(3);
    binaryen.setShrinkLevel(2);
    // asc has set them otherwise, for all who share the optimizer.
    binaryen.setAlwaysInlineMaxSize(small_bytes);
    binaryen.setFlexibleInlineMaxSize(middling_bytes);
    binaryen.setOneCallerInlineMaxSize(any_size);
    module.optimize();
    // A long constant that a function names several times is in a local there: another hundredth. A compiler sees through that.
    module.runPasses(["const-hoisting"]);
    if (module.validate() === 0) throw new Error("the optimizer made a module that is none");
    return { bytes: module.emitBinary(), text: module.emitStackIR() };
  } finally {
    module.dispose();
  }
}
