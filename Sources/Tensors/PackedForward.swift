import CKernels

/// Layer norm of a dense layer's input, as `Tape.norm` has it.
public struct Normalisation<S: Scalar> {
    let scale: Slice<S>, shift: Slice<S>, group: UnsafePointer<Int32>?

    public init(scale: Slice<S>, shift: Slice<S>, group: UnsafePointer<Int32>? = nil) {
        self.scale = scale
        self.shift = shift
        self.group = group
    }
}

/// What a dense layer's output is added to, and how, as `Tape.add` and `Tape.gatedAdd` have it.
public struct Residual<S: Scalar> {
    let x: Variable<S>, gate: Slice<S>?, group: UnsafePointer<Int32>?

    public init(_ x: Variable<S>, gate: Slice<S>? = nil, group: UnsafePointer<Int32>? = nil) {
        self.x = x
        self.gate = gate
        self.group = group
    }
}

/// Laid-out layers forwards: nothing flows back, so what stands around a product needs no pass of its own and memory
/// can be used again.
extension Tape {
    /// y = r + (1 + gate) f(n(x) W + b), f SiLU or the identity; r, gate and n where they are given.
    ///
    /// Shapes: x rows × depth; y rows × columns. With a residual y takes its place in memory, otherwise that of
    /// `output`, or fresh memory.
    public func dense(
        _ x: Variable<S>, _ layer: PackedLayers.Layer, norm: Normalisation<S>? = nil, silu: Bool = false,
        onto residual: Residual<S>? = nil,
        output: Variable<S>? = nil
    ) -> Variable<S> {
        precondition(!records && x.columns == layer.depth && (norm == nil || norm!.scale.columns == x.columns))
        let y = residual?.x ?? output ?? matrix(x.rows, layer.columns)
        precondition(y.rows == x.rows && y.columns == layer.columns)
        S.dense(layer, rows: x.rows, x: x.value, norm: norm, silu: silu, onto: residual, y: y.value)
        return y
    }

    /// Takes back what `body` has taken from the arena. Nothing of it may be used afterwards.
    public func scratch<R>(_ body: () -> R) -> R {
        precondition(!records)
        let mark = arena.mark
        defer { arena.release(mark) }
        return body()
    }
}

/// The same in passes of their own, for tapes that record.
extension Tape {
    public func apply(_ norm: Normalisation<S>, _ x: Variable<S>) -> Variable<S> {
        self.norm(x, scale: norm.scale, shift: norm.shift, group: norm.group)
    }

    public func apply(_ residual: Residual<S>, _ h: Variable<S>) -> Variable<S> {
        residual.gate.map { gatedAdd(residual.x, h, gate: $0, group: residual.group) } ?? add(residual.x, h)
    }
}

extension Variable {
    /// Rows `range`, in place.
    public func rows(_ range: Range<Int>) -> Variable {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows)
        return Variable(
            value: value + range.lowerBound * columns, gradient: gradient.map { $0 + range.lowerBound * columns },
            rows: range.count, columns: columns)
    }
}

extension Float {
    public static func dense(
        _ layer: PackedLayers.Layer, rows: Int, x: Pointer, norm: Normalisation<Float>?, silu: Bool,
        onto residual: Residual<Float>?, y: Pointer
    ) {
        var around = pk_dense_around()
        around.silu = silu ? 1 : 0
        if let norm {
            around.scale = UnsafePointer(norm.scale.value)
            around.shift = UnsafePointer(norm.shift.value)
            around.group = norm.group
            around.stride = norm.scale.stride
        }
        if let residual {
            around.residual = UnsafePointer(residual.x.value)
            around.residual_stride = residual.x.columns
            if let gate = residual.gate {
                // One row index and one stride serve both.
                precondition(norm == nil)
                around.gate = UnsafePointer(gate.value)
                around.group = residual.group
                around.stride = gate.stride
            }
        }
        pk_dense(layer.kind, rows, layer.columns, layer.depth, x, layer.depth, layer.words, &around, y, layer.columns)
    }
}
