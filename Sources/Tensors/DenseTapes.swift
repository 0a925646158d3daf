import CKernels

/// Dense layers on a tape, with all that stands around them.
extension Tape {
    /// y = r + (1 + gate) f(n(x) W + b), f SiLU or the identity, as `linear`, `silu`, `apply` and `add` make it in
    /// passes of their own.
    ///
    /// The residual's gradient takes its place in y's memory: whatever else reads the residual must have done so
    /// before.
    public func dense(
        _ x: Variable<S>, _ layer: TrainingLayers.Layer, _ w: Weights<S>, norm: Normalisation<S>? = nil,
        silu: Bool = false,
        onto residual: Residual<S>? = nil
    ) -> Variable<S> {
        let pass = TrainingPass(self, x, layer, w, norm: norm, silu: silu, onto: residual)
        withScratch([layer]) { pass.forward(pass.call, 0..<x.rows, $0) }
        remember { [self] in
            guard pass.y.hasGradient else { return }
            let call = pass.backwards()
            withScratch([layer]) { pass.backward(call, 0..<x.rows, $0) }
        }
        return pass.y
    }

    /// Two layers, the first with SiLU and perhaps a norm, the second onto what is given, as `dense` has them: a few
    /// rows at a time go through both, so that what stands between them, and its gradient, is read while it is in the
    /// cache.
    public func perceptron(
        _ x: Variable<S>, _ first: TrainingLayers.Layer, _ second: TrainingLayers.Layer, _ w: Weights<S>,
        norm: Normalisation<S>? = nil,
        onto residual: Residual<S>? = nil
    ) -> Variable<S> {
        let one = TrainingPass(self, x, first, w, norm: norm, silu: true, onto: nil),
            two = TrainingPass(self, one.y, second, w, onto: residual)
        func blocks(_ body: (Range<Int>) -> Void) {
            for start in Swift.stride(from: 0, to: x.rows, by: pk_train_block) {
                body(start..<min(start + pk_train_block, x.rows))
            }
        }
        var outer = one.call, inner = two.call
        withScratch([first, second], rows: pk_train_block, columns: first.columns) { scratch, between in
            blocks { rows in
                // What keeps all that its gradient needs leaves nothing between the layers but one block's rows, which
                // both see where the memory for them begins.
                if second.keeps {
                    outer.y = between - rows.lowerBound * first.columns
                    inner.x = UnsafePointer(outer.y)
                }
                one.forward(outer, rows, scratch)
                two.forward(inner, rows, scratch)
            }
        }
        remember { [self] in
            guard two.y.hasGradient else { return }
            var inner = two.backwards(), outer = one.backwards()
            withScratch([first, second], rows: pk_train_block, columns: first.columns) { scratch, between in
                blocks { rows in
                    // So do they the gradient between them.
                    inner.dx = between - rows.lowerBound * first.columns
                    inner.dx_written = 1
                    two.backward(inner, rows, scratch)
                    outer.dy = UnsafePointer(between - rows.lowerBound * first.columns)
                    one.backward(outer, rows, scratch)
                }
            }
        }
        return two.y
    }

    private func withScratch(_ layers: [TrainingLayers.Layer], _ body: (UnsafeMutableRawPointer) -> Void) {
        let mark = arena.mark
        body(arena.raw(bytes: layers.reduce(0) { max($0, pk_train_scratch($1.kind, $1.depth, $1.columns)) }))
        arena.release(mark)
    }

    private func withScratch(
        _ layers: [TrainingLayers.Layer], rows: Int, columns: Int,
        _ body: (UnsafeMutableRawPointer, UnsafeMutablePointer<Float>) -> Void
    ) {
        withScratch(layers) { scratch in body(scratch, arena.take(rows * columns)) }
    }
}

/// A layer on its way through a tape: the kernels' description of it, and what they need for gradients.
private struct TrainingPass<S: Scalar> {
    let y: Variable<S>
    private let x: Variable<S>, layer: TrainingLayers.Layer
    private let weight: Variable<S>, bias: Variable<S>, norm: Normalisation<S>?, gate: Slice<S>?
    let call: pk_train_layer

    init(
        _ tape: Tape<S>, _ x: Variable<S>, _ layer: TrainingLayers.Layer, _ w: Weights<S>,
        norm: Normalisation<S>? = nil, silu: Bool = false,
        onto residual: Residual<S>?
    ) {
        precondition(
            S.self == Float.self && x.columns == layer.depth && (norm == nil || norm!.scale.columns == x.columns))
        let y =
            residual.map { tape.matrix(x.rows, layer.columns, gradientOf: $0.x) } ?? tape.matrix(x.rows, layer.columns)
        var call = pk_train_layer()
        (call.rows, call.depth, call.columns, call.silu) = (x.rows, layer.depth, layer.columns, silu ? 1 : 0)
        call.x = Self.read(x.value)
        call.y = Self.write(y.value)
        if silu { call.slope = Self.write(tape.arena.take(y.count)) }
        if tape.records, layer.keeps {
            call.kept = Self.write(tape.arena.take(pk_train_kept(layer.kind, x.rows, layer.depth)))
        }
        if let norm {
            call.scale = Self.read(norm.scale.value)
            call.shift = Self.read(norm.shift.value)
            call.norm_group = norm.group
            call.norm_stride = norm.scale.stride
            call.stats = Self.write(tape.arena.take(2 * x.rows))
        }
        if let residual {
            precondition(residual.x.rows == y.rows && residual.x.columns == y.columns)
            call.residual = Self.read(residual.x.value)
            if let gate = residual.gate {
                call.gate = Self.read(gate.value)
                call.gate_group = residual.group
                call.gate_stride = gate.stride
                call.ungated = Self.write(tape.arena.take(y.count))
            }
        }
        (self.x, self.y, self.layer, self.norm, self.call) = (x, y, layer, norm, call)
        gate = residual?.gate
        weight = w[layer.reference.weight]
        bias = w[layer.reference.bias]
    }

    func forward(_ call: pk_train_layer, _ rows: Range<Int>, _ scratch: UnsafeMutableRawPointer) {
        var part = call.rows(rows, layer.kind)
        pk_train_forward(layer.kind, &part, layer.forward, scratch)
    }

    /// The description with all gradients.
    func backwards() -> pk_train_layer {
        var call = call
        call.dw = Self.write(weight.gradient!)
        call.db = Self.write(bias.gradient!)
        if let norm {
            call.dscale = Self.write(norm.scale.gradient!)
            call.dshift = Self.write(norm.shift.gradient!)
        }
        if let gate { call.dgate = Self.write(gate.gradient!) }
        if y.hasGradient { call.dy = Self.read(y.gradient!) }
        if x.records {
            call.dx_written = x.hasGradient ? 0 : 1
            call.dx = Self.write(x.gradientToWrite!)
        }
        return call
    }

    func backward(_ call: pk_train_layer, _ rows: Range<Int>, _ scratch: UnsafeMutableRawPointer) {
        var part = call.rows(rows, layer.kind)
        pk_train_backward(layer.kind, &part, layer.backward, scratch)
    }

    private static func read(_ p: UnsafeMutablePointer<S>) -> UnsafePointer<Float> { UnsafePointer(write(p)) }
    private static func write(_ p: UnsafeMutablePointer<S>) -> UnsafeMutablePointer<Float> {
        UnsafeMutableRawPointer(p).assumingMemoryBound(to: Float.self)
    }
}

extension pk_train_layer {
    /// Some of the rows; the first is a whole number of blocks from the start.
    fileprivate func rows(_ range: Range<Int>, _ kind: pk_train_kind) -> pk_train_layer {
        let first = range.lowerBound
        guard first > 0 || range.count < rows else { return self }
        var part = self
        part.rows = range.count
        part.x += first * depth
        part.y += first * columns
        if norm_group != nil { part.norm_group += first }
        if gate_group != nil { part.gate_group += first }
        if residual != nil { part.residual += first * columns }
        if stats != nil { part.stats += 2 * first }
        if slope != nil { part.slope += first * columns }
        if kept != nil { part.kept += pk_train_kept(kind, first, depth) }
        if ungated != nil { part.ungated += first * columns }
        if dy != nil { part.dy += first * columns }
        if dx != nil { part.dx += first * depth }
        return part
    }
}
