import CKernels
import ModelSpace

/// Sweeps of moves over the blocks.
extension SignalLanes {
    /// Moves of a sweep over all blocks: of scale, noise and weights with the shape's scalars and without, of each
    /// part, and what else is asked for.
    /// - Parameters:
    ///   - number: the sweep's number, which says which half of a block may evolve and when members exchange their
    ///     shapes.
    ///   - byPartners: angles are scaled by those between two partners.
    ///   - hops: moves between components, a block each (see `pk_points_hop`).
    func sweep(_ number: Int, byPartners: Bool = false, hops: Int = 0, using random: inout RandomSource) {
        partners.withUnsafeBufferPointer { list in
            for b in 0..<blockCount {
                for (half, range) in choices[b].enumerated() {
                    let from = list.baseAddress.map { $0 + range.lowerBound }
                    if half == 0 {
                        (blocks[b].partners.0, blocks[b].partner_count.0) = (from, Int32(range.count))
                    } else {
                        (blocks[b].partners.1, blocks[b].partner_count.1) = (from, Int32(range.count))
                    }
                }
                sweep(b, number, byPartners)
                for _ in 0..<hops { hop(b, using: &random) }
            }
        }
    }

    private func sweep(_ b: Int, _ number: Int, _ byPartners: Bool) {
        let joint = number & 1 == 1, halved = isHalved(b), all = Int32(PK_LANES_ALL), even = Int32(PK_LANES_EVEN),
            odd = Int32(PK_LANES_ODD)
        let what = layout.scalars.isEmpty ? PK_POINT_NONE : PK_POINT_ALL
        if evolution.count > 0 {
            // Axes evolve along every other time.
            let axes = joint && !layout.axes.isEmpty && evolution.count + layout.axes.count > 1
            for lanes in halved ? [even, odd] : [all] {
                start(b)
                pk_points_evolve(
                    &job, &blocks[b], &generator, lanes, evolution.rows, evolution.count, axes ? 1 : 0, proposal, bonus)
                decide(b, axes ? Int(PK_POINT_ALL) : what)
            }
        }
        if !halved && (job.has_scale != 0 || job.knows_noise == 0 || weights.count > 0) {
            start(b)
            pk_points_rescale(&job, &blocks[b], &generator, all, weights.rows, weights.count, proposal, bonus)
            decide(b, PK_POINT_NONE)
        }
        for part in plan.parts {
            start(b)
            var own = part.part
            own.by_partners = byPartners ? 1 : 0
            pk_points_reshape(
                &job, &blocks[b], &generator, halved ? (number & 1 == 0 ? even : odd) : all, &own, proposal)
            decide(b, part.component ?? PK_POINT_ALL)
        }
        guard !isCollapsed, (number + b) & 3 == 0 else { return }
        for pair in plan.pairs {
            start(b)
            var first = plan.parts[pair.parts.0].part, second = plan.parts[pair.parts.1].part
            pk_points_exchange(&first, &second, proposal)
            decide(b, PK_POINT_NONE, exchanging: pair.components)
        }
    }

    func start(_ b: Int) { pk_points_start(&job, &blocks[b], proposal, bonus) }

    func decide(_ b: Int, _ what: Int, exchanging: (Int, Int) = (-1, -1)) {
        if what == PK_POINT_ALL {
            kernels.attenuations(layout, rows: proposal, stride: Self.size, into: fresh)
        } else if what >= 0 {
            kernels.attenuations(layout, of: what, rows: proposal, stride: Self.size, into: fresh)
        }
        pk_points_decide(
            &job, &blocks[b], &generator, proposal, bonus, fresh, what, exchanging.0, exchanging.1, &proposed, &accepted
        )
    }

    /// One component shares its weight with another anew and takes another shape, anywhere or near a like one's.
    private func hop(_ b: Int, using random: inout RandomSource) {
        let movable = plan.parts.filter { $0.component != nil }
        guard !movable.isEmpty, layout.componentCount > 1 else { return }
        let part = movable[random.index(below: movable.count)], k = part.component!
        var l = random.index(below: layout.componentCount - 1)
        if l >= k { l += 1 }
        start(b)
        var own = part.part
        if let other = plan.parts.first(where: { $0.component == l }), plan.areAlike(part, other) {
            var near = other.part
            pk_points_hop(&job, &generator, k, l, &own, &near, proposal, bonus)
        } else {
            pk_points_hop(&job, &generator, k, l, &own, nil, proposal, bonus)
        }
        if !isCollapsed && layout.weights == .simplex {
            for pair in plan.order {
                var first = plan.parts[pair.parts.0].part, second = plan.parts[pair.parts.1].part
                pk_points_order(&first, &second, pair.components.0, pair.components.1, proposal)
            }
        }
        decide(b, PK_POINT_ALL)
    }
}
