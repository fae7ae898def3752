/** AssemblyScript's integer names for the TypeScript compiler, which reads the files both sides share. */
type i32 = number;
type u32 = number;
