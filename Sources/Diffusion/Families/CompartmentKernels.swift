import CKernels
import ModelSpace

/// Attenuations of a composed family for the exact engines: a structure's numbers are gathered once a block of sixteen
/// samples, then each compartment's kernel is called once.
///
/// Nothing here is retained, released or allocated from block to block: beside kernels that take microseconds it would
/// cost a tenth of the time.
///
/// - Accuracy: as of the compartments' kernels, ≤ 2e-6 (Bingham's 1e-5); derivatives within 2e-5 · max(1, |derivative|)
///   (Bingham's 1e-4), times the slopes of expressions.
final class CompartmentKernels: DiffusionKernels {
    private let family: CompartmentFamily
    private var acquisition: Acquisition, design: FormDesign, series: MeasurementSeries
    private let scratch = Room<Float>(), used = Room<Int32>(), slopes = Room<Float>(), duals = Room<Dual>()
    private let numbers = Room<Double>()
    /// The structure asked for last.
    private var structure: Structure?
    private var plan: SignalPlan?
    /// `plan` and `design`, to be handed on as they are.
    private var unretained: (plan: Unmanaged<SignalPlan>, design: Unmanaged<FormDesign>)?
    var measurementCount: Int { design.count }

    init(_ family: CompartmentFamily, _ acquisition: Acquisition) {
        self.family = family
        self.acquisition = acquisition
        series = MeasurementSeries(acquisition.tables)
        design = acquisition.tables.forms
    }

    func take(_ other: Acquisition) {
        acquisition = other
        series = MeasurementSeries(other.tables)
        design = other.tables.forms
        (structure, unretained) = (nil, nil)
    }

    @inline(__always)
    private func withPlan(_ layout: SignalLayout, _ body: (SignalPlan, FormDesign) -> Void) {
        if structure != layout.structure { find(layout) }
        let (plan, design) = unretained!
        plan._withUnsafeGuaranteedRef { plan in design._withUnsafeGuaranteedRef { design in body(plan, design) } }
    }

    private func find(_ layout: SignalLayout) {
        let found = family.known(layout.structure).plan
        (structure, plan) = (layout.structure, found)
        unretained = (.passUnretained(found), .passUnretained(design))
    }

    func attenuations(
        _ layout: SignalLayout, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>
    ) {
        withPlan(layout) { plan, design in
            withUnsafeTemporaryAllocation(of: Lanes.self, capacity: plan.scales.count + 1) { buffer in
                let values = buffer.baseAddress!
                for j in plan.scales.indices { evaluate(plan, j, rows, stride, values) }
                for k in plan.components.indices {
                    plan.withComponent(k) {
                        attenuations(plan, $0, design, values, rows, stride, sharesLast: $0.isLikeLast, k, e)
                    }
                }
            }
        }
    }

    func attenuations(
        _ layout: SignalLayout, of k: Int, rows: UnsafePointer<Float>, stride: Int, into e: UnsafeMutablePointer<Float>
    ) {
        withPlan(layout) { plan, design in
            withUnsafeTemporaryAllocation(of: Lanes.self, capacity: plan.scales.count + 1) { buffer in
                let values = buffer.baseAddress!
                plan.withComponent(k) {
                    for i in $0.inputs.indices { evaluate(plan, $0.inputs[i], rows, stride, values) }
                    attenuations(plan, $0, design, values, rows, stride, sharesLast: false, k, e)
                }
            }
        }
    }

    /// The natural value of a scalar of sixteen samples.
    @inline(__always)
    private func evaluate(
        _ plan: SignalPlan, _ j: Int, _ rows: UnsafePointer<Float>, _ stride: Int, _ values: UnsafeMutablePointer<Lanes>
    ) {
        let own = rows + (plan.layout.firstScalar + j) * stride, scale = plan.scales[j]
        if scale.isLogarithm {
            pk_exp_f32(own, UnsafeMutableRawPointer(values + j).assumingMemoryBound(to: Float.self), 16)
        } else {
            values[j] = load(own)
        }
        if let base = scale.base { values[j] *= values[base] }
    }

    /// - Parameter sharesLast: whether the polynomials of the component before are this one's.
    private func attenuations(
        _ plan: SignalPlan, _ component: SignalPlan.Component, _ design: FormDesign, _ values: UnsafePointer<Lanes>,
        _ rows: UnsafePointer<Float>, _ stride: Int, sharesLast: Bool, _ k: Int, _ e: UnsafeMutablePointer<Float>
    ) {
        let firstAxis = plan.layout.firstAxis, firstRotation = plan.layout.firstRotation, width = component.width
        let scratch = scratch.atLeast(design.scratchCount)
        withUnsafeTemporaryAllocation(of: Lanes.self, capacity: width + 1) { buffer in
            let p = buffer.baseAddress!
            func gather(_ first: Int, _ count: Int, _ to: UnsafeMutablePointer<Lanes>) {
                for c in 0..<count { to[c] = load(rows + (first + c) * stride) }
            }
            component.numbers(
                values, axis: { gather(firstAxis + 3 * $0, 3, $1) },
                rotation: { gather(firstRotation + 4 * $0, 4, $1) }, into: p)
            let out = e + 16 * k, step = 16 * plan.components.count
            guard !component.isZonal else {
                // Bundles that share all but their axes share the polynomials.
                let used = used.atLeast(design.shells.count)
                if !sharesLast { component.zonal.coefficients(p, design, used: used, into: scratch) }
                component.zonal.attenuations(p, design, coefficients: scratch, used: used, into: out, stride: step)
                return
            }
            var spread: UnsafePointer<Float>?
            if let rho = component.spread {
                p[width] = rho.value(values)
                spread = UnsafeRawPointer(p + width).assumingMemoryBound(to: Float.self)
            }
            component.compartment.attenuations(p, design, spread: spread, scratch: scratch, into: out, stride: step)
        }
    }

    func attenuations(_ layout: SignalLayout, at x: UnsafePointer<Double>, into e: UnsafeMutablePointer<Float>) {
        withPlan(layout) { plan, design in
            let m = design.count, scalars = plan.scales.count
            withUnsafeTemporaryAllocation(of: Double.self, capacity: scalars + plan.width) { doubles in
                let values = doubles.baseAddress!, p = values + scalars, one = slopes.atLeast(m + 16)
                plan.values(x, into: values)
                for k in plan.components.indices {
                    let component = plan.components[k]
                    component.numbers(
                        values, axis: { $1.update(from: x + (layout.firstAxis + 3 * $0), count: 3) },
                        rotation: { $1.update(from: x + (layout.firstRotation + 4 * $0), count: 4) }, into: p)
                    let spread = component.spread?.value(UnsafePointer(values)) ?? 0
                    component.attenuations(p, series, spread: spread, into: one)
                    (e + k * m).update(from: one, count: m)
                }
            }
        }
    }

    func derivatives(
        _ layout: SignalLayout, _ x: UnsafePointer<Double>, attenuations: UnsafeMutablePointer<Float>,
        rows: UnsafeMutablePointer<Float>
    ) {
        withPlan(layout) { plan, design in
            rows.update(repeating: 0, count: plan.layout.shapeDimension * design.count)
            withUnsafeTemporaryAllocation(of: Double.self, capacity: plan.scales.count) { buffer in
                let values = buffer.baseAddress!
                plan.values(x, into: values)
                for k in plan.components.indices {
                    plan.withComponent(k) {
                        derivatives(
                            plan, $0, design, x, values, weight: x[SignalLayout.firstWeight + k],
                            attenuation: attenuations + k * design.count, rows: rows)
                    }
                }
            }
        }
    }

    private func derivatives(
        _ plan: SignalPlan, _ component: SignalPlan.Component, _ design: FormDesign, _ x: UnsafePointer<Double>,
        _ values: UnsafePointer<Double>, weight: Double, attenuation: UnsafeMutablePointer<Float>,
        rows: UnsafeMutablePointer<Float>
    ) {
        let seeds = duals.atLeast(plan.scales.count + component.width), q = seeds + plan.scales.count
        let own = slopes.atLeast((component.dimension + 1) * design.count),
            scratch = scratch.atLeast(design.scratchCount)
        let firstAxis = plan.layout.firstAxis, firstRotation = plan.layout.firstRotation
        seed(plan, component, values, seeds)
        component.numbers(
            UnsafePointer(seeds), axis: { a, to in for c in 0..<3 { to[c] = Dual(x[firstAxis + 3 * a + c]) } },
            rotation: { r, to in for c in 0..<4 { to[c] = Dual(x[firstRotation + 4 * r + c]) } }, into: q)
        let rho = component.spread?.value(UnsafePointer(seeds))
        let p = numbers.atLeast(component.width)
        for i in 0..<component.width { p[i] = q[i].value }
        if component.isZonal {
            if !component.isLikeLast { component.zonal.coefficientSlopes(p, design, into: scratch) }
            component.zonal.derivatives(p, design, coefficients: scratch, attenuation: attenuation, rows: own)
        } else {
            component.compartment.derivatives(
                p, design, spread: rho?.value ?? 0, scratch: scratch, attenuation: attenuation, rows: own)
        }
        add(plan, component, design.count, q, rho, own, weight: weight, to: rows)
    }

    /// Scalars as numbers that know their derivatives by the coordinates of a component's inputs.
    private func seed(
        _ plan: SignalPlan, _ component: SignalPlan.Component, _ values: UnsafePointer<Double>,
        _ out: UnsafeMutablePointer<Dual>
    ) {
        for i in component.inputs.indices {
            let j = component.inputs[i], scale = plan.scales[j]
            var slope = SIMD8<Double>.zero
            if let base = scale.base {
                // The value is own · base; the base was seeded before, being a shared parameter.
                slope = out[base].slope * (values[j] / values[base])
                slope[i] = scale.isLogarithm ? values[j] : values[base]
            } else {
                slope[i] = scale.isLogarithm ? values[j] : 1
            }
            out[j] = Dual(values[j], slope)
        }
    }

    /// Adds weight · ∂E_k/∂u to the rows of the coordinates that component k depends on.
    private func add(
        _ plan: SignalPlan, _ component: SignalPlan.Component, _ m: Int, _ q: UnsafePointer<Dual>, _ rho: Dual?,
        _ own: UnsafePointer<Float>, weight: Double, to rows: UnsafeMutablePointer<Float>
    ) {
        func add(_ row: Int, _ factor: Double, to coordinate: Int) {
            let from = own + row * m, to = rows + coordinate * m, factor = Float(factor)
            guard factor != 0 else { return }
            for i in 0..<m { to[i] += factor * from[i] }
        }
        func chain(_ row: Int, _ scale: Double, _ slope: SIMD8<Double>) {
            for i in component.inputs.indices where slope[i] != 0 {
                add(row, weight * scale * slope[i], to: component.inputs[i])
            }
        }
        let axes = plan.scales.count, rotations = axes + 2 * plan.layout.axes.count
        for s in component.slopes.indices {
            let slope = component.slopes[s], number = q[slope.number]
            switch slope.target {
            case .inputs(let isLogarithm): chain(slope.row, isLogarithm ? 1 / number.value : 1, number.slope)
            case .axis(let a): for c in 0..<2 { add(slope.row + c, weight, to: axes + 2 * a + c) }
            case .rotation(let r): for c in 0..<3 { add(slope.row + c, weight, to: rotations + 3 * r + c) }
            }
        }
        if let rho { chain(component.dimension, 1 / rho.value, rho.slope) }
    }
}
