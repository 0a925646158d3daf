import CKernels

extension Tape {
    /// y = x W + b. Shapes: x rows × in, W in × out, b 1 × out.
    public func linear(_ x: Variable<S>, _ w: Variable<S>, _ b: Variable<S>?) -> Variable<S> {
        precondition(x.columns == w.rows)
        let y = matrix(x.rows, w.columns)
        linearForward(x, w, b, y)
        remember { linearBackward(x, w, b, y) }
        return y
    }

    /// y = x σ(x).
    public func silu(_ x: Variable<S>) -> Variable<S> {
        let y = matrix(x.rows, x.columns)
        S.siluForward(x.value, y.value, x.count)
        remember { S.siluBackward(x.value, y.gradient!, x.gradient!, x.count) }
        return y
    }

    /// y = x + h.
    public func add(_ x: Variable<S>, _ h: Variable<S>) -> Variable<S> {
        precondition(x.count == h.count)
        let y = matrix(x.rows, x.columns)
        y.value.update(from: x.value, count: x.count)
        S.axpy(1, h.value, y.value, x.count)
        remember {
            if let dx = x.gradient { S.axpy(1, y.gradient!, dx, x.count) }
            if let dh = h.gradient { S.axpy(1, y.gradient!, dh, x.count) }
        }
        return y
    }

    /// Layer norm with scale 1 + `scale` and shift `shift`, either one row for all or, by `group`, a row of a
    /// modulation matrix for each row of x. `scale` and `shift` may be column slices of one matrix with row stride
    /// `stride`.
    public func norm(_ x: Variable<S>, scale: Slice<S>, shift: Slice<S>, group: UnsafePointer<Int32>? = nil)
        -> Variable<S>
    {
        precondition(scale.stride == shift.stride && scale.columns == x.columns)
        let y = matrix(x.rows, x.columns)
        let stats: UnsafeMutablePointer<S> = arena.take(2 * x.rows)
        S.normForward(x.value, scale.value, shift.value, group, scale.stride, y.value, stats, x.rows, x.columns)
        remember {
            S.normBackward(
                x.value, scale.value, group, scale.stride, stats, y.gradient!, x.gradient!, scale.gradient!,
                shift.gradient!, x.rows,
                x.columns)
        }
        return y
    }

    /// y = x + (1 + gate) · h, the gate chosen by `group` as in `norm`.
    public func gatedAdd(_ x: Variable<S>, _ h: Variable<S>, gate: Slice<S>, group: UnsafePointer<Int32>? = nil)
        -> Variable<S>
    {
        let y = matrix(x.rows, x.columns)
        S.gateForward(x.value, h.value, gate.value, group, gate.stride, y.value, x.rows, x.columns)
        remember {
            S.gateBackward(
                h.value, gate.value, group, gate.stride, y.gradient!, x.gradient!, h.gradient!, gate.gradient!, x.rows,
                x.columns)
        }
        return y
    }

    /// Multi-head attention over segments: per head O = softmax(Q Kᵀ/√d) V.
    ///
    /// Shapes: q rows × width; keyValue rows × 2·width (keys, then values). `mask` is queries × keys bytes shared by
    /// all segments. The result, rows × width, goes to `output` or fresh memory; rows that no segment asks for are not
    /// written.
    public func attention(
        _ q: Variable<S>, keyValue: Variable<S>, segments: UnsafeBufferPointer<AttentionSegment>, heads: Int,
        mask: UnsafePointer<UInt8>? = nil, output: Variable<S>? = nil
    ) -> Variable<S> {
        attention(
            q.slice(0, q.columns), keyValue.slice(0, q.columns), keyValue.slice(q.columns, q.columns), rows: q.rows,
            segments: segments, heads: heads, mask: mask, output: output)
    }

    /// As above, self-attention from one matrix rows × 3·width (queries, keys, values).
    public func selfAttention(
        _ qkv: Variable<S>, segments: UnsafeBufferPointer<AttentionSegment>, heads: Int,
        mask: UnsafePointer<UInt8>? = nil
    ) -> Variable<S> {
        let width = qkv.columns / 3
        return attention(
            qkv.slice(0, width), qkv.slice(width, width), qkv.slice(2 * width, width), rows: qkv.rows,
            segments: segments, heads: heads,
            mask: mask, output: nil)
    }

    /// As above, from columns of any matrices; the result has `rows` rows.
    public func attention(
        _ q: Slice<S>, _ k: Slice<S>, _ v: Slice<S>, rows: Int, segments: UnsafeBufferPointer<AttentionSegment>,
        heads: Int,
        mask: UnsafePointer<UInt8>?, output: Variable<S>?
    ) -> Variable<S> {
        precondition(q.columns % heads == 0 && k.stride == v.stride && k.matrix.value == v.matrix.value)
        let y = output ?? matrix(rows, q.columns), headWidth = q.columns / heads
        precondition(y.rows == rows && y.columns == q.columns)
        let base = segments.baseAddress!
        let saved: UnsafeMutablePointer<S>? =
            records ? arena.take(S.attentionSaved(base, segments.count, heads, headWidth)) : nil
        S.attentionForward(
            q.value, k.value, v.value, q.stride, k.stride, base, segments.count, heads, headWidth, mask, y.value,
            y.columns, saved)
        remember {
            guard y.hasGradient else { return }
            // What is asked by or of one segment only, and nothing was added to before, need not be zero first.
            let alone =
                S.attentionWrites(headWidth) && segments.separate(\.queries, q.matrix.rows)
                && segments.separate(\.keys, k.matrix.rows)
            let same = q.matrix.value == k.matrix.value, pairs = k.columns + v.columns
            let qWritten = alone && !q.matrix.hasGradient && q.matrix.columns == q.columns + (same ? pairs : 0)
            let kWritten = alone && !k.matrix.hasGradient && k.matrix.columns == pairs + (same ? q.columns : 0)
            let dq = (qWritten ? q.matrix.gradientToWrite : q.matrix.gradient)! + q.start
            let dkv = (kWritten ? k.matrix.gradientToWrite : k.matrix.gradient)!
            S.attentionBackward(
                q.value, k.value, v.value, q.stride, k.stride, base, segments.count, heads, headWidth, saved!,
                y.gradient!, y.columns, dq, qWritten,
                dkv + k.start, dkv + v.start, kWritten)
        }
        return y
    }

    /// Attention of single queries (`segments`, nq = 1) each to keys of its own, the rows that `list` has from its k0
    /// on. Nothing flows back.
    ///
    /// Shapes: q rows × width; keyValue any rows × 2·width; rows × width.
    public func attention(
        _ q: Slice<S>, rows: Int, keyValue: UnsafePointer<S>, along list: [Int32],
        segments: UnsafeBufferPointer<AttentionSegment>, heads: Int
    ) -> Variable<S> {
        precondition(!records && q.columns % heads == 0)
        let y = matrix(rows, q.columns)
        S.attentionAlong(
            q.value, keyValue, keyValue + q.columns, q.stride, 2 * q.columns, segments.baseAddress!, segments.count,
            list, heads, q.columns / heads, y.value, y.columns)
        return y
    }

    /// Row i of the result is row `index[i]` of x.
    public func gather(_ x: Variable<S>, _ index: UnsafeBufferPointer<Int32>) -> Variable<S> {
        let y = matrix(index.count, x.columns), n = x.columns
        for i in 0..<index.count { (y.value + i * n).update(from: x.value + Int(index[i]) * n, count: n) }
        remember {
            guard let dx = x.gradient else { return }
            for i in 0..<index.count { S.axpy(1, y.gradient! + i * n, dx + Int(index[i]) * n, n) }
        }
        return y
    }
}

/// Columns of a matrix, with the matrix's row stride.
public struct Slice<S: Scalar> {
    let matrix: Variable<S>, start: Int
    public let columns: Int
    public var value: UnsafeMutablePointer<S> { matrix.value + start }
    public var gradient: UnsafeMutablePointer<S>? { matrix.gradient.map { $0 + start } }
    public var stride: Int { matrix.columns }
}

extension Variable {
    /// Columns `start ..< start + columns`.
    public func slice(_ start: Int, _ columns: Int) -> Slice<S> {
        precondition(start + columns <= self.columns)
        return Slice(matrix: self, start: start, columns: columns)
    }
}

/// y = x W + b; each row of y depends on that row of x alone, bit for bit.
func linearForward<S: Scalar>(_ x: Variable<S>, _ w: Variable<S>, _ b: Variable<S>?, _ y: Variable<S>) {
    S.product(
        rows: x.rows, columns: w.columns, depth: w.rows, a: x.value, aStride: x.columns, b: w.value, bStride: w.columns,
        c: y.value,
        cStride: y.columns)
    if let b { S.bias(y.value, b.value, y.rows, y.columns) }
}

/// dx += dy Wᵀ, dW += xᵀ dy, db += column sums of dy.
func linearBackward<S: Scalar>(_ x: Variable<S>, _ w: Variable<S>, _ b: Variable<S>?, _ y: Variable<S>) {
    let dy = y.gradient!
    if let dx = x.gradient {
        S.gemm(
            transposeA: false, transposeB: true, rows: x.rows, columns: x.columns, depth: y.columns, alpha: 1, a: dy,
            aStride: y.columns,
            b: w.value, bStride: w.columns, beta: 1, c: dx, cStride: x.columns)
    }
    if let dw = w.gradient {
        S.gemm(
            transposeA: true, transposeB: false, rows: w.rows, columns: w.columns, depth: x.rows, alpha: 1, a: x.value,
            aStride: x.columns, b: dy, bStride: y.columns, beta: 1, c: dw, cStride: w.columns)
    }
    if let b, let db = b.gradient { S.biasBackward(dy, db, y.rows, y.columns) }
}
