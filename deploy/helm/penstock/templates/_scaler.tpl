{{- /* Pools that the scaler has, as PENSTOCK_POOLS takes them. */ -}}
{{- define "penstock.scaledPools" -}}
{{- $pools := list -}}
{{- range $name, $of := include "penstock.pools" . | fromJson -}}
{{- $scale := $of.autoscaling -}}
{{- if $scale.enabled -}}
{{- $models := default (ternary (list "sim-chat" "sim-embed") list $of.simulated) $of.models -}}
{{- if not $models -}}
{{- fail (printf "pools.%s.models is empty: the scaler scales by what waits for them" $name) -}}
{{- end -}}
{{- $pool := dict "name" $name "models" $models "slots" (int $of.slots) "speed" $scale.speed "price" $scale.price "startS" $scale.startSeconds -}}
{{- $pool = merge $pool (dict "min" (int $scale.minReplicas) "max" (int $scale.maxReplicas) "zeroAfterS" (int $scale.cooldownSeconds) "schedule" $scale.schedule) -}}
{{- $_ := set $pool "workload" (include "penstock.componentName" (dict "root" $ "component" "worker" "pool" $name)) -}}
{{- $pools = append $pools $pool -}}
{{- end -}}
{{- end -}}
{{- toJson $pools -}}
{{- end -}}
