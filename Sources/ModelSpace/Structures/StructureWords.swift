/// What a structure is, in the words of its family.
extension StructureRule {
    /// Its groups by name and number, then its noise: ball+2sticks+spread,rician.
    public func name(_ z: Structure) -> String {
        let words = family.groups.compactMap { group -> String? in
            let choice = choice(of: group.name, in: z)
            switch group.presence {
            case .oneOf(let options): return choice.option == options[0] ? nil : choice.option
            case .upTo(let most) where most > 1:
                return choice.members == 0 ? nil : "\(choice.members)\(group.name)\(choice.members > 1 ? "s" : "")"
            default: return choice.members == 0 ? nil : group.name
            }
        }
        let noise = choice(of: family.noise.name, in: z).option ?? ""
        return [words.joined(separator: "+"), noise].filter { !$0.isEmpty }.joined(separator: ",")
    }

    /// How many fibres outputs draw of it: members of groups that have an axis for that.
    public func fibreCount(_ z: Structure) -> Int {
        groups.reduce(0) { sum, place in
            place.group.fibreAxis == nil ? sum : sum + place.choices[place.choice(z)!].choice.members
        }
    }

    /// Whether it has a group of this name or an option of it.
    public func has(_ name: String, _ z: Structure) -> Bool {
        family.allGroups.contains { group in
            let choice = choice(of: group.name, in: z)
            return choice.option == name || (group.name == name && choice.members > 0)
        }
    }

    /// Places in θ of the numbers that it has, rising.
    public func places(of z: Structure, in layout: ThetaLayout) -> [Int] {
        let choices = Dictionary(uniqueKeysWithValues: family.allGroups.map { ($0.name, choice(of: $0.name, in: z)) })
        return layout.entries.flatMap { entry -> [Int] in
            if !entry.group.isEmpty {
                let choice = choices[entry.group]!, options = entry.parameter.options
                let isOwn = options.isEmpty || choice.option.map(options.contains) ?? false
                guard isOwn, entry.member < choice.members else { return [] }
            }
            return Array(entry.offset..<entry.offset + entry.parameter.width)
        }
    }
}
