import CKernels
import Tensors

extension Bench {
    /// A layer of training, norm and SiLU included, forwards and backwards in every number format, against the same in
    /// double precision.
    mutating func trainingLayer(rows: Int, depth: Int, columns: Int) throws {
        let x = Self.noise(rows * depth, 21),
            w = Self.noise(depth * columns, 22).map { $0 / Float(depth).squareRoot() }, b = Self.noise(columns, 23)
        let scale = Self.noise(depth, 24).map { 0.1 * $0 }, shift = Self.noise(depth, 25),
            dy = Self.noise(rows * columns, 26)
        let plain = PlainLayer(
            x: x, w: w, b: b, scale: scale, shift: shift, dy: dy, rows: rows, depth: depth, columns: columns)
        var kinds = [(pk_train_best(), "single", 1e-5)]
        if pk_train_has(PK_TRAIN_BF16) != 0 { kinds.append((PK_TRAIN_BF16, "bfloat16", 1e-2)) }
        if pk_train_has(PK_TRAIN_HALF) != 0 { kinds.append((PK_TRAIN_HALF, "half", 5e-3)) }
        for (kind, name, tolerance) in kinds {
            let forward = AlignedFloats(pk_train_size(kind, depth, columns, 0)),
                backward = AlignedFloats(pk_train_size(kind, depth, columns, 1))
            let scratch = AlignedFloats(pk_train_scratch(kind, depth, columns) / 4)
            pk_train_pack(kind, depth, columns, 0, w, b, forward.base)
            pk_train_pack(kind, depth, columns, 1, w, nil, backward.base)
            let y = AlignedFloats(rows * columns), slope = AlignedFloats(rows * columns),
                stats = AlignedFloats(2 * rows), dx = AlignedFloats(rows * depth)
            let kept = AlignedFloats(max(1, pk_train_kept(kind, rows, depth)))
            let dw = AlignedFloats(depth * columns), db = AlignedFloats(columns), dscale = AlignedFloats(depth),
                dshift = AlignedFloats(depth)
            try x.withUnsafeBufferPointer { x in
                try scale.withUnsafeBufferPointer { scale in
                    try shift.withUnsafeBufferPointer { shift in
                        try dy.withUnsafeBufferPointer { dy in
                            var l = pk_train_layer()
                            (l.rows, l.depth, l.columns, l.silu, l.dx_written) = (rows, depth, columns, 1, 1)
                            (l.x, l.scale, l.shift, l.dy) = (
                                x.baseAddress, scale.baseAddress, shift.baseAddress, dy.baseAddress
                            )
                            (l.y, l.slope, l.stats, l.kept, l.dx) = (
                                y.base, slope.base, stats.base, kept.base, dx.base
                            )
                            (l.dw, l.db, l.dscale, l.dshift) = (dw.base, db.base, dscale.base, dshift.base)
                            pk_train_forward(kind, &l, forward.base, scratch.base)
                            pk_train_backward(kind, &l, backward.base, scratch.base)
                            let size = 2 * Double(rows * depth * columns),
                                shape = "\(name), \(rows)×\(depth)·\(depth)×\(columns)"
                            let moved = 4 * Double(rows * depth + rows * columns)
                            try add(
                                "training layer", shape, operations: size, exponentials: Double(rows * columns),
                                bytes: moved + 4 * Double(rows * columns),
                                deviation: PlainLayer.distance(y.base, plain.y), tolerance: tolerance
                            ) { pk_train_forward(kind, &l, forward.base, scratch.base) }
                            let worst = max(
                                PlainLayer.distance(dx.base, plain.dx), PlainLayer.distance(dw.base, plain.dw),
                                PlainLayer.distance(db.base, plain.db),
                                PlainLayer.distance(dscale.base, plain.dscale),
                                PlainLayer.distance(dshift.base, plain.dshift))
                            try add(
                                "training layer backward", shape, operations: 2 * size, bytes: 2 * moved,
                                deviation: worst, tolerance: tolerance
                            ) { pk_train_backward(kind, &l, backward.base, scratch.base) }
                        }
                    }
                }
            }
        }
    }
}
