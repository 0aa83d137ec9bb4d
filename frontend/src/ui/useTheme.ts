import { ref, watch } from 'vue'
import { forget, recall, remember } from '@/storage'

export type Theme = 'system' | 'light' | 'dark'

const key = 'parley.theme'

function remembered(): Theme {
  const theme = recall(key)
  return theme === 'light' || theme === 'dark' ? theme : 'system'
}

const theme = ref<Theme>(remembered())

watch(
  theme,
  chosen => {
    if (chosen === 'system') {
      forget(key)
      delete document.documentElement.dataset.theme
    } else {
      remember(key, chosen)
      document.documentElement.dataset.theme = chosen
    }
  },
  { immediate: true },
)

/** The theme of the window. `system` follows the system, also when it changes. */
export const useTheme = () => theme
