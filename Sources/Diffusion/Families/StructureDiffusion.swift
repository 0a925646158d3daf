import ModelSpace

/// How the water of a voxel diffuses (`WaterDiffusion`), from the numbers of its compartments, for one structure of a
/// family.
public final class StructureDiffusion: Sendable {
    private let plan: SignalPlan, timing: PulseTiming?

    /// - Parameters:
    ///   - z: an allowed structure of the composition, whose rule and θ these are.
    ///   - timing: of the pulses, where compartments are restricted: what is restricted diffuses as it does then.
    public init(
        _ composition: FamilyComposition, _ rule: StructureRule, _ theta: ThetaLayout, _ z: Structure,
        timing: PulseTiming?
    ) {
        (plan, self.timing) = (SignalPlan(composition, rule, theta, z), timing)
    }

    /// - Parameter theta: whose axes and rotations need not have length 1, as rounded ones do not.
    public func callAsFunction(_ theta: UnsafePointer<Double>) -> WaterDiffusion {
        let layout = plan.layout
        return withUnsafeTemporaryAllocation(of: Double.self, capacity: layout.scalars.count + plan.width) { numbers in
            let values = numbers.baseAddress!, p = values + layout.scalars.count
            plan.values(theta: theta, into: values)
            var sum = WaterDiffusion(), rest = 1.0
            for component in layout.components { rest -= component.weight.map { theta[$0] } ?? 0 }
            for (k, component) in layout.components.enumerated() {
                plan.numbers(k, theta: theta, values, into: p)
                let compartment = plan.components[k].compartment, last = compartment.parameters.last?.width ?? 1
                if last > 1 { Self.normalise(p + (compartment.width - last), last) }
                sum.add(
                    compartment.diffusion(p, timing), weight: component.weight.map { theta[$0] } ?? max(0, rest),
                    spread: plan.components[k].spread?.value(UnsafePointer(values)) ?? 0)
            }
            return sum
        }
    }

    private static func normalise(_ v: UnsafeMutablePointer<Double>, _ count: Int) {
        let size = (0..<count).reduce(0) { $0 + v[$1] * v[$1] }.squareRoot()
        if size > 0 { for i in 0..<count { v[i] /= size } }
    }
}
