/** The parts of a call that conditions read (body/calls.ts). What a call has not is an error. */
import { Call, currentCall, isOfGraphql } from "../body/calls";
import { isMethodOfTools } from "../body/jsonrpc";
import { absent } from "../bytes/tape";
import * as instructions from "../policy/instructions";
import { setRecord } from "./claims";
import { setError, setString } from "./value";

/** A part of the call that is decided; an error where none is, or it is of another protocol. */
export function readCall(cell: usize, part: u32): void {
  const call = currentCall();
  const isGraphql = part >= instructions.call_type;
  if (call == null || call.isResponse || isGraphql != isOfGraphql()) {
    setError(cell);
    return;
  }
  switch (part) {
    case instructions.call_method_name:
    case instructions.call_type:
      setString(cell, call.methodStart, call.methodSize);
      return;
    case instructions.call_tool:
      if (isMethodOfTools(call)) setString(cell, call.nameStart, call.nameSize);
      else setError(cell);
      return;
    case instructions.call_field:
      setString(cell, call.nameStart, call.nameSize);
      return;
    case instructions.call_operation_name:
      readOperationName(cell, call);
      return;
    case instructions.call_arguments:
      setRecord(cell, isMethodOfTools(call) ? call.arguments : absent);
      return;
    default:
      setRecord(cell, call.params);
  }
}

function readOperationName(cell: usize, call: Call): void {
  if (call.operationSize == 0) setError(cell);
  else setString(cell, call.operationStart, call.operationSize);
}
