{{- /* Names and labels. The name of a worker's pod is the name of the worker, so what is made stays short. */ -}}
{{- define "penstock.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 30 | trimSuffix "-" -}}
{{- end -}}

{{- define "penstock.fullname" -}}
{{- $name := include "penstock.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 30 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 30 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 30 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* (dict "root" $ "component" "worker" "pool" "llama") */ -}}
{{- define "penstock.componentName" -}}
{{- $base := printf "%s-%s" (include "penstock.fullname" .root) .component -}}
{{- if .pool -}}{{- $base = printf "%s-%s" $base .pool -}}{{- end -}}
{{- if gt (len $base) 52 -}}
{{- fail (printf "the name %s is longer than 52 characters: choose shorter names for the release and the pool" $base) -}}
{{- end -}}
{{- $base -}}
{{- end -}}

{{- define "penstock.selectorLabels" -}}
app.kubernetes.io/name: {{ include "penstock.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .pool }}
penstock-pool: {{ . }}
{{- end }}
{{- end -}}

{{- define "penstock.labels" -}}
{{ include "penstock.selectorLabels" . }}
app.kubernetes.io/part-of: penstock
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "penstock.image" -}}
{{ printf "%s/%s:%s" .root.Values.image.repository .image (default .root.Chart.AppVersion .root.Values.image.tag) }}
{{- end -}}

{{- /* A model's name as a token: what toModelSlug of libs/protocol makes of it. FNV-1a by arithmetic, as templates know no xor. */ -}}
{{- define "penstock.slug" -}}
{{- if regexMatch "^[a-z0-9_-]{1,48}$" . -}}
{{- . -}}
{{- else -}}
{{- $hash := 2166136261 -}}
{{- $hex := printf "%x" . -}}
{{- $digits := dict "0" 0 "1" 1 "2" 2 "3" 3 "4" 4 "5" 5 "6" 6 "7" 7 "8" 8 "9" 9 "a" 10 "b" 11 "c" 12 "d" 13 "e" 14 "f" 15 -}}
{{- range $i := until (int (div (len $hex) 2)) -}}
{{- $high := get $digits (substr (int (mul $i 2)) (int (add (mul $i 2) 1)) $hex) -}}
{{- $low := get $digits (substr (int (add (mul $i 2) 1)) (int (add (mul $i 2) 2)) $hex) -}}
{{- $byte := add (mul $high 16) $low -}}
{{- $bit := 1 -}}
{{- range until 8 -}}
{{- if eq (mod (div $byte $bit) 2) 1 -}}
{{- $hash = ternary (sub $hash $bit) (add $hash $bit) (eq (mod (div $hash $bit) 2) 1) -}}
{{- end -}}
{{- $bit = mul $bit 2 -}}
{{- end -}}
{{- $hash = mod (mul $hash 16777619) 4294967296 -}}
{{- end -}}
{{- $readable := regexReplaceAll "^-+" (regexReplaceAll "[^a-z0-9_-]+" (lower .) "-") "" -}}
{{- printf "%s-%08x" (trunc 39 $readable) $hash -}}
{{- end -}}
{{- end -}}

{{- /* What a pool has: the defaults of `worker`, and what it says itself. */ -}}
{{- define "penstock.pools" -}}
{{- $pools := dict -}}
{{- range $name, $own := .Values.pools -}}
{{- $pool := mergeOverwrite (deepCopy $.Values.worker) (deepCopy ($own | default dict)) -}}
{{- $ways := add (ternary 1 0 $pool.simulated) (ternary 1 0 $pool.engine.sidecar.enabled) (ternary 1 0 (ne $pool.engine.url "")) -}}
{{- if ne (int $ways) 1 -}}
{{- fail (printf "pools.%s needs one engine: set engine.url, engine.sidecar.enabled, or simulated" $name) -}}
{{- end -}}
{{- if and $pool.engine.sidecar.enabled (not $pool.engine.sidecar.image) -}}
{{- fail (printf "pools.%s.engine.sidecar.image is empty: name the engine's image" $name) -}}
{{- end -}}
{{- $_ := set $pools $name $pool -}}
{{- end -}}
{{- toJson $pools -}}
{{- end -}}

{{- /* Whether somebody scales a component or pool. */ -}}
{{- define "penstock.isScaled" -}}
{{- if and (ne .root.Values.autoscaling.provider "none") (dig "enabled" true .of.autoscaling) -}}true{{- end -}}
{{- end -}}
