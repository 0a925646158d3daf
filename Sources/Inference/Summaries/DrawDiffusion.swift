import Diffusion
import ModelSpace

/// How the water diffuses in each draw of a voxel, for what all of a family's quantities of it share; holds the memory
/// of one worker.
struct DrawDiffusion {
    private var known: [Structure: StructureDiffusion] = [:]
    private var values: [WaterDiffusion] = [], theta: [Double] = []

    /// Of draw d; nothing where the family has no such quantities.
    subscript(d: Int) -> WaterDiffusion { values.isEmpty ? WaterDiffusion() : values[d] }

    mutating func read(_ posterior: ListedPosterior, _ layout: DrawLayout) {
        guard layout.quantities.hasDiffusion else { return }
        let p = layout.count,
            own = posterior.structures.map { z in
                if let found = known[z] { return found }
                let new = layout.quantities.diffusion(of: z)
                known[z] = new
                return new
            }
        theta = layout.scales.map { _ in 0 }
        values.removeAll(keepingCapacity: true)
        for (d, place) in posterior.drawPlaces.enumerated() {
            for c in 0..<p { theta[c] = Double(posterior.draws[d * p + c]) / layout.scales[c] }
            values.append(own[Int(place)](theta))
        }
    }
}
