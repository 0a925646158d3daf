import CKernels
import ModelSpace

/// Attenuations of a composed family for the exact engines: a structure's numbers are gathered once a block of sixteen
/// samples, then each compartment's kernel is called once.
///
/// - Accuracy: as of the compartments' kernels, ≤ 2e-6 (Bingham's 1e-5); derivatives within 2e-5 · max(1, |derivative|)
///   (Bingham's 1e-4), times the slopes of expressions.
final class CompartmentKernels: DiffusionKernels {
    private let family: CompartmentFamily
    private var acquisition: Acquisition, design: FormDesign, series: MeasurementSeries
    private var scratch: UnsafeMutablePointer<Float>, used: UnsafeMutablePointer<Int32>
    /// The structure asked for last.
    private var structure: Structure?
    private var plan: SignalPlan?
    var measurementCount: Int { design.count }

    init(_ family: CompartmentFamily, _ acquisition: Acquisition) {
        self.family = family
        self.acquisition = acquisition
        series = MeasurementSeries(acquisition.tables)
        design = acquisition.tables.forms
        scratch = .allocate(capacity: max(1, design.scratchCount))
        used = .allocate(capacity: max(1, design.shells.count))
    }

    func take(_ other: Acquisition) {
        let room = (design.scratchCount, design.shells.count)
        acquisition = other
        series = MeasurementSeries(other.tables)
        design = other.tables.forms
        guard design.scratchCount > room.0 || design.shells.count > room.1 else { return }
        scratch.deallocate()
        used.deallocate()
        scratch = .allocate(capacity: max(1, design.scratchCount))
        used = .allocate(capacity: max(1, design.shells.count))
    }

    deinit {
        scratch.deallocate()
        used.deallocate()
    }

    private func plan(_ layout: SignalLayout) -> SignalPlan {
        if structure == layout.structure { return plan! }
        let found = family.known(layout.structure).plan
        (structure, plan) = (layout.structure, found)
        return found
    }

    func attenuations(
        _ layout: SignalLayout, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>
    ) {
        let plan = plan(layout)
        withValues(plan, rows, stride) { values in
            for k in plan.components.indices { attenuations(plan, k, values, rows, stride, isAlone: false, e) }
        }
    }

    func attenuations(
        _ layout: SignalLayout, of k: Int, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>
    ) {
        let plan = plan(layout)
        withValues(plan, rows, stride, only: k) { attenuations(plan, k, $0, rows, stride, isAlone: true, e) }
    }

    /// Natural values of the scalars of sixteen samples.
    private func withValues(
        _ plan: SignalPlan, _ rows: UnsafePointer<Float>, _ stride: Int, only k: Int? = nil,
        _ body: (UnsafePointer<Lanes>) -> Void
    ) {
        let layout = plan.layout
        withUnsafeTemporaryAllocation(of: Lanes.self, capacity: layout.scalars.count + 1) { values in
            func evaluate(_ j: Int) {
                let own = rows + (layout.firstScalar + j) * stride
                if layout.scalars[j].isLogarithm {
                    pk_exp_f32(
                        own, UnsafeMutableRawPointer(values.baseAddress! + j).assumingMemoryBound(to: Float.self), 16)
                } else {
                    values[j] = load(own)
                }
                if let base = plan.bases[j] { values[j] *= values[base] }
            }
            if let k { plan.components[k].inputs.forEach(evaluate) } else { layout.scalars.indices.forEach(evaluate) }
            body(values.baseAddress!)
        }
    }

    private func attenuations(
        _ plan: SignalPlan, _ k: Int, _ values: UnsafePointer<Lanes>, _ rows: UnsafePointer<Float>, _ stride: Int,
        isAlone: Bool,
        _ e: UnsafeMutablePointer<Float>
    ) {
        let layout = plan.layout, component = plan.components[k], width = plan.width
        withUnsafeTemporaryAllocation(of: Lanes.self, capacity: width + 1) { buffer in
            let p = buffer.baseAddress!
            func gather(_ first: Int, _ count: Int, _ to: UnsafeMutablePointer<Lanes>) {
                for c in 0..<count { to[c] = load(rows + (first + c) * stride) }
            }
            plan.numbers(
                k, values, axis: { gather(layout.firstAxis + 3 * $0, 3, $1) },
                rotation: { gather(layout.firstRotation + 4 * $0, 4, $1) }, into: p)
            var spread: UnsafePointer<Float>?
            if let expression = component.spread {
                p[width] = expression.value(values)
                spread = UnsafeRawPointer(p + width).assumingMemoryBound(to: Float.self)
            }
            let out = e + 16 * k, step = 16 * plan.components.count
            if let zonal = component.zonal {
                // Bundles that share all but their axes share the polynomials.
                if isAlone || !component.isLikeLast { zonal.coefficients(p, design, used: used, into: scratch) }
                zonal.attenuations(p, design, coefficients: scratch, used: used, into: out, stride: step)
            } else {
                component.compartment.attenuations(p, design, spread: spread, scratch: scratch, into: out, stride: step)
            }
        }
    }

    func attenuations(_ layout: SignalLayout, at x: UnsafePointer<Double>, into e: UnsafeMutablePointer<Float>) {
        let plan = plan(layout), m = design.count, scalars = layout.scalars.count
        withUnsafeTemporaryAllocation(of: Double.self, capacity: scalars + plan.width) { doubles in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: m + 16) { one in
                let values = doubles.baseAddress!, p = values + scalars
                plan.values(x, into: values)
                for k in plan.components.indices {
                    plan.numbers(
                        k, values, axis: { $1.update(from: x + (layout.firstAxis + 3 * $0), count: 3) },
                        rotation: { $1.update(from: x + (layout.firstRotation + 4 * $0), count: 4) }, into: p)
                    let spread = plan.components[k].spread?.value(UnsafePointer(values)) ?? 0
                    plan.components[k].compartment.seriesAttenuations(p, series, spread: spread, into: one.baseAddress!)
                    (e + k * m).update(from: one.baseAddress!, count: m)
                }
            }
        }
    }

    func derivatives(
        _ layout: SignalLayout, _ x: UnsafePointer<Double>, attenuations: UnsafeMutablePointer<Float>,
        rows: UnsafeMutablePointer<Float>
    ) {
        let plan = plan(layout), m = design.count, scalars = layout.scalars.count
        rows.update(repeating: 0, count: layout.shapeDimension * m)
        withUnsafeTemporaryAllocation(of: Double.self, capacity: scalars + plan.width) { doubles in
            withUnsafeTemporaryAllocation(of: Dual.self, capacity: scalars + plan.width) { duals in
                withUnsafeTemporaryAllocation(of: Float.self, capacity: (plan.dimension + 1) * m) { own in
                    let values = doubles.baseAddress!, p = values + scalars, seeds = duals.baseAddress!,
                        q = seeds + scalars
                    plan.values(x, into: values)
                    for k in plan.components.indices {
                        let component = plan.components[k]
                        seed(plan, component.inputs, values, seeds)
                        plan.numbers(
                            k, UnsafePointer(seeds),
                            axis: { a, to in for c in 0..<3 { to[c] = Dual(x[layout.firstAxis + 3 * a + c]) } },
                            rotation: { r, to in for c in 0..<4 { to[c] = Dual(x[layout.firstRotation + 4 * r + c]) } },
                            into: q)
                        for i in 0..<component.width { p[i] = q[i].value }
                        let rho = component.spread?.value(UnsafePointer(seeds))
                        if let zonal = component.zonal {
                            if !component.isLikeLast { zonal.coefficientSlopes(p, design, into: scratch) }
                            zonal.derivatives(
                                p, design, coefficients: scratch, attenuation: attenuations + k * m,
                                rows: own.baseAddress!)
                        } else {
                            component.compartment.derivatives(
                                p, design, spread: rho?.value ?? 0, attenuation: attenuations + k * m,
                                rows: own.baseAddress!)
                        }
                        add(plan, k, q, rho, own.baseAddress!, weight: x[SignalLayout.firstWeight + k], to: rows)
                    }
                }
            }
        }
    }

    /// Scalars as numbers that know their derivatives by the coordinates of a component's inputs.
    private func seed(
        _ plan: SignalPlan, _ inputs: [Int], _ values: UnsafePointer<Double>, _ out: UnsafeMutablePointer<Dual>
    ) {
        for (i, j) in inputs.enumerated() {
            var slope = SIMD8<Double>.zero
            if let base = plan.bases[j] {
                // The value is own · base; the base was seeded before, being a shared parameter.
                slope = out[base].slope * (values[j] / values[base])
                slope[i] = plan.layout.scalars[j].isLogarithm ? values[j] : values[base]
            } else {
                slope[i] = plan.layout.scalars[j].isLogarithm ? values[j] : 1
            }
            out[j] = Dual(values[j], slope)
        }
    }

    /// Adds weight · ∂E_k/∂u to the rows of the coordinates that component k depends on.
    private func add(
        _ plan: SignalPlan, _ k: Int, _ q: UnsafePointer<Dual>, _ rho: Dual?, _ own: UnsafePointer<Float>,
        weight: Double, to rows: UnsafeMutablePointer<Float>
    ) {
        let component = plan.components[k], layout = plan.layout, m = design.count
        func add(_ row: Int, _ factor: Double, to coordinate: Int) {
            let from = own + row * m, to = rows + coordinate * m, factor = Float(factor)
            guard factor != 0 else { return }
            for i in 0..<m { to[i] += factor * from[i] }
        }
        func chain(_ row: Int, _ scale: Double, _ slope: SIMD8<Double>) {
            for (i, j) in component.inputs.enumerated() where slope[i] != 0 {
                add(row, weight * scale * slope[i], to: j)
            }
        }
        for slope in component.slopes {
            let row = slope.row, number = slope.number
            switch slope.source {
            case .number, .scalar: chain(row, slope.isLogarithm ? 1 / q[number].value : 1, q[number].slope)
            case .axis(let a):
                for c in 0..<2 { add(row + c, weight, to: layout.scalars.count + 2 * a + c) }
            case .rotation(let r):
                for c in 0..<3 { add(row + c, weight, to: layout.scalars.count + 2 * layout.axes.count + 3 * r + c) }
            }
        }
        if let rho { chain(component.compartment.dimension, 1 / rho.value, rho.slope) }
    }
}
