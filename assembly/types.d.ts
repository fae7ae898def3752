/** AssemblyScript's names for the TypeScript compiler, which reads the files both sides share. */
type i32 = number;
type u16 = number;
type u32 = number;
type StaticArray<T> = readonly T[];
